/**
 * What a sampler is given and what it returns.
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Pairing } from "../losses/contrastive.ts";

/** Unit embeddings of a super-batch by both models, [S, D] each; their widths may differ. */
export interface Scores {
  readonly learner: Pairing;
  readonly reference: Pairing;
}

/** What is to be selected. */
export interface SelectionRequest {
  /** Examples to select from, S. */
  readonly superBatch: number;
  /** Examples to select, b. */
  readonly batch: number;
  /** Draws that make up the selection, N. */
  readonly chunks: number;
  /** Factor on the scores before a draw. */
  readonly gain: number;
  readonly seed: number;
  /** u32 words whose first is the number of the step. */
  readonly step: Tensor;
}

/** A selection on the GPU. */
export interface Selection {
  /** [b] u32: places in the super-batch, in order of selection. */
  readonly indices: Tensor;
  /** [S] u32: place of each example in `indices`, or 0xffffffff. */
  readonly slots: Tensor;
  /** [S]: each example's own score Sᵢᵢ at gain 1; null when nothing is scored. */
  readonly diagonal: Tensor | null;
  /** [1]: (1/b) Σ S over the selected pairs at gain 1; zero when nothing is scored. */
  readonly learnability: Tensor;
  /** [N]: entropy in nats of softmax(cond) before each draw. */
  readonly entropy: Tensor;
}

/** A way to select a sub-batch. */
export interface Sampler {
  /** Whether it needs the embeddings of learner and reference. */
  readonly scores: boolean;
  /** Records the selection. */
  readonly select: (graph: Graph, scores: Scores | null, request: SelectionRequest) => Selection;
}

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
