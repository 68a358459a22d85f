/**
 * Every sampler under every score and loss in float64, with whole matrices of logits: the oracle of what the GPU
 * computes in streams.
 *
 * S examples of the super-batch, b selected. Source: JEST, arXiv:2406.17711.
 */

import { type Pairing, sigmoidLoss, softmaxLoss } from "./contrastive_loss.ts";
import { chunkSizes, pairLosses, type ScoredEmbeddings } from "./joint_selection.ts";
import { matmul } from "./matmul.ts";

/** Each model with the factor on its loss. */
export type SignedModels = readonly (readonly [sign: number, model: ScoredEmbeddings])[];

/** What a batch's score asks of a super-batch. */
export interface DenseScores {
  /** [S] at gain 1: each example's score beside the chosen ones. */
  conditional(chosen: readonly number[]): Float64Array;
  /** The loss of a batch by each model, with its factor. */
  batchScore(selected: readonly number[]): number;
}

/** Scores under the sigmoid loss: what Σ S over the chosen would grow by. */
export function sigmoidScores(models: SignedModels, examples: number): DenseScores {
  const matrices = models.map(([sign, model]) => pairLosses(model, examples).map((loss) => sign * loss));
  const scores = matrices.reduce((sum, matrix) => sum.map((score, at) => score + matrix[at]));
  return {
    conditional: (chosen) =>
      Float64Array.from({ length: examples }, (_, i) =>
        chosen.reduce(
          (sum, k) => sum + scores[i * examples + k] + scores[k * examples + i],
          scores[i * examples + i],
        )),
    batchScore: (selected) => signedLoss(models, examples, selected, sigmoidLoss),
  };
}

/** Scores under the softmax loss: −l_ii + ½ (lse_k l_ik + lse_k l_ki) over the chosen k, by each model. */
export function softmaxScores(models: SignedModels, examples: number): DenseScores {
  const index = Array.from({ length: examples }, (_, i) => i);
  const matrices = models.map(([sign, { image, text, scale }]) => {
    const size = { m: examples, n: examples, k: image.length / examples };
    return [sign, matmul("NT", image, text, size).map((similarity) => scale * similarity)] as const;
  });
  return {
    conditional: (chosen) =>
      Float64Array.from(index, (i) =>
        matrices.reduce((sum, [sign, logits]) => {
          const own = -logits[i * examples + i];
          if (chosen.length === 0) return sum + sign * own;
          const rows = logSumExp(chosen.map((k) => logits[i * examples + k]));
          const columns = logSumExp(chosen.map((k) => logits[k * examples + i]));
          return sum + sign * (own + (rows + columns) / 2);
        }, 0)),
    batchScore: (selected) => signedLoss(models, examples, selected, softmaxLoss),
  };
}

function logSumExp(values: readonly number[]): number {
  const highest = values.reduce((a, b) => Math.max(a, b));
  return highest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - highest), 0));
}

function signedLoss(
  models: SignedModels,
  examples: number,
  selected: readonly number[],
  loss: (pairing: Pairing, batch: number) => { loss: number },
): number {
  return models.reduce((sum, [sign, { image, text, scale, bias }]) => {
    const width = image.length / examples;
    const rows = (all: ArrayLike<number>) =>
      Float64Array.from(selected.flatMap((i) => Array.from({ length: width }, (_, d) => all[i * width + d])));
    const pairing = {
      image: rows(image),
      text: rows(text),
      logitScale: Float64Array.of(Math.log(scale)),
      logitBias: Float64Array.of(bias),
    };
    return sum + sign * loss(pairing, selected.length).loss;
  }, 0);
}

/** What to draw. */
export interface DenseRequest {
  readonly examples: number;
  readonly batch: number;
  readonly chunks: number;
  readonly gain: number;
  readonly iterations: number;
}

/** A selection with what it went by. */
export interface DenseSelection {
  readonly indices: number[];
  /** [b]: gain times score by which each was drawn. */
  readonly drawnBy: number[];
  /** [draws] */
  readonly entropies: number[];
}

type Noise = (draw: number, example: number) => number;

/** The samplers that go by scores, under the names that the package gives them. */
export const denseSamplers: Readonly<
  Record<
    "joint" | "independent" | "top-k" | "gibbs",
    (scores: DenseScores, request: DenseRequest, noise: Noise) => DenseSelection
  >
> = {
  joint: drawJointly,
  independent: (scores, request, noise) => drawJointly(scores, { ...request, chunks: 1 }, noise),
  "top-k": (scores, request) => drawJointly(scores, { ...request, chunks: 1 }, () => 0),
  gibbs: drawByGibbs,
};

/** b of S without replacement, chunk by chunk, each ∝ exp(gain · conditional score). */
function drawJointly(
  scores: DenseScores,
  { examples, batch, chunks, gain }: DenseRequest,
  noise: Noise,
): DenseSelection {
  const result: DenseSelection = { indices: [], drawnBy: [], entropies: [] };
  chunkSizes(batch, chunks).forEach((size, chunk) => {
    const cond = scores.conditional(result.indices).map((score) => gain * score);
    const free = Array.from({ length: examples }, (_, i) => i).filter((i) => !result.indices.includes(i));
    const members = highest(free, size, (i) => cond[i] + noise(chunk, i));
    result.entropies.push(entropy(free.map((i) => cond[i])));
    result.indices.push(...members);
    result.drawnBy.push(...members.map((i) => cond[i]));
  });
  return result;
}

/** From a uniform set of b, one place after another drawn again given all the others. */
function drawByGibbs(
  scores: DenseScores,
  { examples, batch, gain, iterations }: DenseRequest,
  noise: Noise,
): DenseSelection {
  const all = Array.from({ length: examples }, (_, i) => i);
  const indices = highest(all, batch, (i) => noise(0, i));
  const drawnBy = indices.map(() => 0), entropies = [Math.log(examples)];
  for (let iteration = 1; iteration <= iterations; iteration++) {
    const place = (iteration - 1) % batch, others = indices.toSpliced(place, 1);
    const cond = scores.conditional(others).map((score) => gain * score);
    const free = all.filter((i) => !others.includes(i));
    const [drawn] = highest(free, 1, (i) => cond[i] + noise(iteration, i));
    entropies.push(entropy(free.map((i) => cond[i])));
    indices[place] = drawn;
    drawnBy[place] = cond[drawn];
  }
  return { indices, drawnBy, entropies };
}

/** The examples with the highest keys, highest first, equal ones by index. */
function highest(free: readonly number[], count: number, key: (i: number) => number): number[] {
  const keys = new Map(free.map((i) => [i, key(i)]));
  return free.toSorted((i, j) => keys.get(j)! - keys.get(i)! || i - j).slice(0, count);
}

/** Of softmax(scores), in nats. */
function entropy(scores: readonly number[]): number {
  const whole = logSumExp(scores);
  return scores.reduce((sum, score) => sum - Math.exp(score - whole) * (score - whole), 0);
}
