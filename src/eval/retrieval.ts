/**
 * Retrieval between pictures and captions.
 *
 * n pairs, D width of the embeddings.
 *
 * @module
 */

import type { RetrievalScore } from "./evaluation.ts";
import { hitAt, normalizedRank, reciprocalRank } from "./rank.ts";
import { checkEmbeddings, similarities } from "./similarity.ts";

const BLOCK_ROWS = 64;

/** How retrieval counts a match. */
export interface RetrievalOptions {
  /**
   * [n] which concept each pair shows: any caption of the same concept then matches, the best of them counts and the
   * others are left out of the ranking. Without it only the pair's own caption matches.
   */
  readonly concept?: Int32Array;
}

/** Both directions of retrieval. */
export interface RetrievalScores {
  /** Queries are pictures, answers are captions. */
  imageToText: RetrievalScore;
  /** Queries are captions, answers are pictures. */
  textToImage: RetrievalScore;
}

/**
 * R@1, R@5, mean reciprocal rank and mean normalised rank of each query's match, both ways. Ties count as if broken at
 * random (`rank.ts`), so constant embeddings score chance.
 *
 * @param image [n, D] embeddings, row i belongs to text row i
 * @param text [n, D]
 * @throws RangeError when a size does not fit, n is 0, or an embedding is not finite
 */
export function retrieval(
  image: Float32Array,
  text: Float32Array,
  n: number,
  width: number,
  options: RetrievalOptions = {},
): RetrievalScores {
  const { concept } = options;
  if (!Number.isInteger(n) || n < 1) {
    throw new RangeError(`Cannot score retrieval over ${n} pairs, expected at least 1`);
  }
  if (concept && concept.length !== n) {
    throw new RangeError(`Cannot score retrieval: concept has ${concept.length} entries, expected ${n}`);
  }
  checkEmbeddings("image", image, n, width);
  checkEmbeddings("text", text, n, width);

  const sameConcept = concept ? byConcept(concept) : undefined;
  const matchesOf = (i: number): ArrayLike<number> => sameConcept?.get(concept![i]) ?? [i];
  const best = bestMatches(image, text, n, width, matchesOf);
  const rows = new Standing(n), columns = new Standing(n); // queries are pictures; queries are captions
  const scores = new Float64Array(BLOCK_ROWS * n);
  for (let start = 0; start < n; start += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, n - start);
    similarities(image, start, count, text, n, width, scores);
    for (let row = 0; row < count; row++) {
      const i = start + row;
      const at = scores.subarray(row * n, (row + 1) * n);
      for (const j of Array.from(matchesOf(i))) at[j] = -Infinity; // neither above nor beside the match
      rows.compareRow(i, at, best.ofImage[i]);
      columns.compareEach(at, best.ofText);
    }
  }
  const wrong = (i: number) => n - matchesOf(i).length;
  return { imageToText: rows.score(wrong), textToImage: columns.score(wrong) };
}

/** The pairs of each concept. */
function byConcept(concept: Int32Array): Map<number, number[]> {
  const pairs = new Map<number, number[]>();
  concept.forEach((id, i) => {
    const known = pairs.get(id);
    if (known) known.push(i);
    else pairs.set(id, [i]);
  });
  return pairs;
}

/** The highest score that a match reaches: of each picture over its captions, of each caption over its pictures. */
function bestMatches(
  image: Float32Array,
  text: Float32Array,
  n: number,
  width: number,
  matchesOf: (i: number) => ArrayLike<number>,
): { ofImage: Float64Array; ofText: Float64Array } {
  const ofImage = new Float64Array(n).fill(-Infinity), ofText = new Float64Array(n).fill(-Infinity);
  const one = new Float64Array(1);
  for (let i = 0; i < n; i++) {
    for (const j of Array.from(matchesOf(i))) {
      similarities(image, i, 1, text.subarray(j * width, (j + 1) * width), 1, width, one);
      ofImage[i] = Math.max(ofImage[i], one[0]);
      ofText[j] = Math.max(ofText[j], one[0]);
    }
  }
  return { ofImage, ofText };
}

/** Where the match of each query stands among the wrong answers. */
class Standing {
  readonly #above: Int32Array;
  readonly #tied: Int32Array;

  constructor(n: number) {
    this.#above = new Int32Array(n);
    this.#tied = new Int32Array(n);
  }

  /** Counts all wrong answers of one query. */
  compareRow(query: number, scores: Float64Array, match: number): void {
    let above = 0, tied = 0;
    for (let j = 0; j < scores.length; j++) {
      if (scores[j] > match) above++;
      else if (scores[j] === match) tied++;
    }
    this.#above[query] = above;
    this.#tied[query] = tied;
  }

  /** Counts one wrong answer of every query. */
  compareEach(scores: Float64Array, match: Float64Array): void {
    for (let query = 0; query < scores.length; query++) {
      if (scores[query] > match[query]) this.#above[query]++;
      else if (scores[query] === match[query]) this.#tied[query]++;
    }
  }

  /** The means over the queries; `wrong` gives how many wrong answers a query has. */
  score(wrong: (query: number) => number): RetrievalScore {
    const n = this.#above.length;
    let r1 = 0, r5 = 0, mrr = 0, meanRank = 0;
    for (let query = 0; query < n; query++) {
      const above = this.#above[query], tied = this.#tied[query];
      r1 += hitAt(1, above, tied);
      r5 += hitAt(5, above, tied);
      mrr += reciprocalRank(above, tied);
      meanRank += normalizedRank(above, tied, wrong(query));
    }
    return { r1: r1 / n, r5: r5 / n, mrr: mrr / n, meanRank: meanRank / n };
  }
}
