/**
 * What an evaluation says.
 *
 * @module
 */

/** Retrieval in one direction over a test set of `n` pairs. */
export interface RetrievalScore {
  /** Share of queries whose match ranks first. */
  r1: number;
  /** Share of queries whose match is among the first five. */
  r5: number;
  /** Mean of 1 / rank. */
  mrr: number;
  /** Mean of (rank − 1) / (n − 1): 0 best, 0.5 chance. */
  meanRank: number;
}

/** Zero-shot classification of pictures. */
export interface ZeroShotScore {
  /** Share of pictures whose class scores best. */
  top1: number;
  /** Share of pictures whose class is among the best five. */
  top5: number;
}

/** Held-out evaluation of a dual encoder. */
export interface Evaluation {
  /** Queries are pictures, answers are captions. */
  imageToText: RetrievalScore;
  /** Queries are captions, answers are pictures. */
  textToImage: RetrievalScore;
  /** Each picture against every class's prompts; left out where the pictures have no classes. */
  zeroShot?: ZeroShotScore;
}
