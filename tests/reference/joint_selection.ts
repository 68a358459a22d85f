/**
 * Joint example selection (JEST, arXiv:2406.17711) in float64 with the whole matrix of scores, as an oracle for the
 * streamed selection on the GPU.
 *
 * S examples of the super-batch, b selected, D width of the embeddings (each model its own).
 */

import { softplus } from "./contrastive_loss.ts";
import { matmul } from "./matmul.ts";

/** What one model says of the super-batch: unit rows [S, D], α = exp(t) and β. */
export interface ScoredEmbeddings {
  readonly image: ArrayLike<number>;
  readonly text: ArrayLike<number>;
  readonly scale: number;
  readonly bias: number;
}

/** What to draw. */
export interface Draw {
  /** b */
  readonly batch: number;
  /** N ≤ b */
  readonly chunks: number;
  /** Factor on the scores: the larger, the closer to picking the best. */
  readonly gain: number;
}

/** The sigmoid loss of every pair, [S, S]: −log σ(m_ij (α zᴵ_i·zᵀ_j + β)), m = 2I − 1. */
export function pairLosses({ image, text, scale, bias }: ScoredEmbeddings, examples: number): Float64Array {
  const size = { m: examples, n: examples, k: image.length / examples };
  return matmul("NT", image, text, size).map((similarity, at) => {
    const logit = scale * similarity + bias;
    return softplus(at % (examples + 1) === 0 ? -logit : logit); // the diagonal is every (S + 1)-th element
  });
}

/** The matrix of scores at gain 1, [S, S]: the learner's losses minus the reference's. */
export function learnability(
  learner: ScoredEmbeddings,
  reference: ScoredEmbeddings,
  examples: number,
): Float64Array {
  const known = pairLosses(reference, examples);
  return pairLosses(learner, examples).map((loss, at) => loss - known[at]);
}

/** [S] what each example adds to the sum of the chosen sub-matrix: S_ii + Σ_k (S_ik + S_ki) over the chosen k. */
export function conditionalScores(
  scores: Float64Array,
  examples: number,
  chosen: readonly number[],
): Float64Array {
  return Float64Array.from(
    { length: examples },
    (_, i) =>
      chosen.reduce(
        (sum, k) => sum + scores[i * examples + k] + scores[k * examples + i],
        scores[i * examples + i],
      ),
  );
}

/** N sizes that sum to b and differ by at most one, the larger first. */
export function chunkSizes(batch: number, chunks: number): number[] {
  return Array.from(
    { length: chunks },
    (_, chunk) => Math.floor(batch / chunks) + Number(chunk < batch % chunks),
  );
}

/**
 * Draws b of S without replacement, chunk by chunk: each chunk ∝ exp(gain · conditional score) given the chunks before
 * it, by the largest keys gain · score + Gumbel noise.
 *
 * @param scores [S, S] at gain 1
 * @param noise a Gumbel number for an example in a chunk; 0 makes the draw greedy
 * @returns indices in order of selection: by chunk, then by falling key, equal keys by index
 */
export function selectJointly(
  scores: Float64Array,
  examples: number,
  { batch, chunks, gain }: Draw,
  noise: (chunk: number, example: number) => number,
): number[] {
  const chosen: number[] = [];
  chunkSizes(batch, chunks).forEach((size, chunk) => {
    const keys = conditionalScores(scores, examples, chosen).map((score, i) =>
      gain * score + noise(chunk, i)
    );
    const open = Array.from(keys.keys()).filter((i) => !chosen.includes(i));
    chosen.push(...open.sort((i, j) => keys[j] - keys[i] || i - j).slice(0, size));
  });
  return chosen;
}

/** The batch's learnability: (1/b) Σ S_ij over the selected i and j, at gain 1. */
export function batchLearnability(
  scores: Float64Array,
  examples: number,
  selected: readonly number[],
): number {
  let sum = 0;
  for (const i of selected) {
    for (const j of selected) sum += scores[i * examples + j];
  }
  return sum / selected.length;
}
