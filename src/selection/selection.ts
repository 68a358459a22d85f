/**
 * What a sampler is given and what it returns.
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { LossName, Pairing } from "../losses/contrastive.ts";
import type { Candidates } from "./candidates.ts";
import type { ScoreName } from "./scores.ts";

/** Unit embeddings of a super-batch by both models, [S, D] each; their widths may differ. */
export interface Embeddings {
  /** Null when the score does not count it. */
  readonly learner: Pairing | null;
  /** Null when the score does not count it. */
  readonly reference: Pairing | null;
}

/** What a draw needs to know. */
export interface DrawRequest {
  /** Examples to select from, S. */
  readonly superBatch: number;
  /** Examples to select, b. */
  readonly batch: number;
  /** Draws that make up a joint selection, N; for Gibbs sampling the parts whose totals it keeps. */
  readonly chunks: number;
  /** Redraws of Gibbs sampling; other samplers do not look at it. */
  readonly iterations: number;
  /**
   * Share of the selection that is drawn uniformly, before the others and whatever its score; joint and independent
   * selection know it. 0 when left out.
   */
  readonly uniformShare?: number;
  readonly seed: number;
  /** u32 words whose first is the number of the step. */
  readonly step: Tensor;
}

/** What is to be selected. */
export interface SelectionRequest extends DrawRequest {
  /** The loss that the score is of. */
  readonly loss: LossName;
  /** Null when nothing is to be scored, which is for samplers that look at no example. */
  readonly score: ScoreName | null;
  /** Factor on the scores before a draw. */
  readonly gain: number;
}

/** What was drawn, on the GPU. */
export interface Drawn {
  /** [b] u32: places in the super-batch, in order of selection. */
  readonly indices: Tensor;
  /** [S] u32: place of each example in `indices`, or 0xffffffff. */
  readonly slots: Tensor;
  /** [draws]: entropy in nats of softmax(conditional scores) before each draw. */
  readonly entropy: Tensor;
  /** [b]: the conditional score, with the gain, by which each example was drawn; zeros for a uniform draw. */
  readonly drawnBy: Tensor;
}

/** A selection on the GPU. */
export interface Selection extends Drawn {
  /** [S]: each example's own score at gain 1; null when nothing is scored. */
  readonly diagonal: Tensor | null;
  /** [1]: the selected batch's score at gain 1; zero when nothing is scored. */
  readonly batchScore: Tensor;
}

/** A way to select a sub-batch; its `draw` records the draws, and throws RangeError when S, b and N do not fit. */
export type Sampler =
  | {
    /** It looks at no example. */
    readonly scores: null;
    readonly chunked: false;
    readonly draw: (graph: Graph, request: DrawRequest) => Drawn;
  }
  | {
    /** What it can go by, the one to take when none is named first. */
    readonly scores: readonly ScoreName[];
    /** Whether it looks at the number of chunks. */
    readonly chunked: boolean;
    readonly draw: (graph: Graph, request: DrawRequest, candidates: Candidates) => Drawn;
  };

/**
 * Sizes of the chunks of a selection: they differ by at most one, larger ones first, and sum to b.
 *
 * @throws RangeError unless 1 ≤ N ≤ b ≤ S
 */
export function chunkSizes(superBatch: number, batch: number, chunks: number): number[] {
  if (!Number.isInteger(batch) || batch < 1 || batch > superBatch) {
    throw new RangeError(
      `Cannot select ${batch} of ${superBatch} examples: choose between 1 and ${superBatch}`,
    );
  }
  if (!Number.isInteger(chunks) || chunks < 1 || chunks > batch) {
    throw new RangeError(
      `Cannot select ${batch} examples in ${chunks} chunks: choose between 1 and ${batch} chunks, or a larger batch`,
    );
  }
  return Array.from(
    { length: chunks },
    (_, chunk) => Math.floor(batch / chunks) + (chunk < batch % chunks ? 1 : 0),
  );
}
