/**
 * Selection from embeddings on the host: JEST, and what it is compared with, for anyone's models.
 *
 * @module
 */

import type { BufferRange, Device } from "../gpu/device.ts";
import { Graph } from "../graph/graph.ts";
import { Program } from "../graph/program.ts";
import type { Shape, Tensor } from "../graph/tensor.ts";
import { type LossName, lossNames } from "../losses/contrastive.ts";
import { Candidates } from "./candidates.ts";
import { GIBBS_ITERATIONS } from "./gibbs.ts";
import { countedModels, type SamplerName, samplers, samplerScore, selectBatch } from "./samplers.ts";
import type { ScoreName } from "./scores.ts";

/** A model's unit embeddings of B pairs, and the scale and bias of its logits. */
export interface HostEmbeddings {
  /** [B, D], unit rows. */
  readonly image: Float32Array;
  /** [B, D], unit rows. */
  readonly text: Float32Array;
  /** D, a multiple of 4. */
  readonly width: number;
  /** α, the factor itself. */
  readonly logitScale: number;
  /** β; a softmax loss does not depend on it. */
  readonly logitBias: number;
}

/** The models that scored the pairs; one that the score does not count may be left out. */
export interface HostModels {
  /** The model that is trained; not needed by `easy-reference`. */
  readonly learner?: HostEmbeddings | null;
  /** The model that knows what is learnable; not needed by `hard-learner`. */
  readonly reference?: HostEmbeddings | null;
}

/** What to select, and how. */
export interface SelectOptions {
  /** Share of the examples to leave out, f: b = B (1 − f). */
  readonly filterRatio: number;
  /** How to select; `joint`, which is JEST, when left out. */
  readonly sampler?: SamplerName;
  /** What to prefer; `learnability` when left out, for `top-k` `easy-reference`, the only one that it goes by. */
  readonly score?: ScoreName;
  /** The loss that both models were trained with; `sigmoid` when left out. */
  readonly loss?: LossName;
  /** Draws that make up a joint selection, N; for Gibbs sampling the parts whose totals it keeps; others ignore it. */
  readonly chunks: number;
  /** Redraws of Gibbs sampling; 2,000 when left out. */
  readonly iterations?: number;
  /** Share that joint or independent selection draws uniformly, before the others; 0 when left out. */
  readonly uniformShare?: number;
  /** Factor on the scores before a draw; the paper takes 100. */
  readonly gain: number;
  /** Seed of the draws, a whole number from 0 to 2⁵³ − 1; the same seed gives the same selection. */
  readonly seed: number;
}

/** A selection. */
export interface SelectResult {
  /** [b]: rows of the embeddings, in order of selection; with Gibbs sampling in that of their places. */
  readonly indices: number[];
  /**
   * The selected batch's score at gain 1: factor times loss of the whole batch, summed over the models that count.
   * A uniform selection is scored too.
   */
  readonly batchScore: number;
  /** The batch's loss by the learner minus that by the reference; null unless both models are given. */
  readonly batchLearnability: number | null;
  /** [B]: every pair's own score at gain 1, as in a batch of its own. */
  readonly scores: number[];
  /**
   * [b]: what each of `indices` was drawn by: gain times its score beside what was chosen before its draw. With Gibbs
   * sampling that is beside all others as they were then, and 0 if it is from the random set. Null for a uniform
   * selection.
   */
  readonly conditionalScores: number[] | null;
  /** [draws]: entropy in nats of softmax(conditional scores) over the free examples before each draw. */
  readonly entropies: number[];
}

/**
 * How many examples a filter ratio leaves: B (1 − f) to the nearest whole number, at least 1.
 *
 * @throws RangeError unless 0 ≤ f < 1
 */
export function selectedCount(count: number, filterRatio: number): number {
  if (!(filterRatio >= 0 && filterRatio < 1)) {
    throw new RangeError(`The filter ratio is ${filterRatio}: choose one from 0 up to, but not including, 1`);
  }
  return Math.max(1, Math.round(count * (1 - filterRatio)));
}

/**
 * Selects a sub-batch by what two models, or one, say of its pairs. By default the one that is jointly most learnable:
 * high loss for the learner, low loss for the reference.
 *
 * Source: Evans et al., arXiv:2406.17711.
 *
 * @throws TypeError when a model that counts is missing, the models embedded different numbers of pairs, or a width does
 *   not fit
 * @throws RangeError when a row is not of unit length or not finite, f, N and B do not fit together, a sampler, score or
 *   loss is unknown, or a gain, seed or number of iterations is out of range
 *
 * @example
 * ```ts
 * import { Device, type HostEmbeddings, selectExamples } from "@superbatch/superbatch";
 *
 * using device = await Device.open();
 * // Ten pairs in two dimensions (padded to 4): the learner finds all alike, the reference tells them apart.
 * const rows = (angle: (i: number) => number) =>
 *   Float32Array.from({ length: 40 }, (_, at) => [Math.cos, Math.sin][at % 4]?.(angle(Math.floor(at / 4))) ?? 0);
 * const model = (angle: (i: number) => number): HostEmbeddings => (
 *   { image: rows(angle), text: rows(angle), width: 4, logitScale: 10, logitBias: -5 }
 * );
 * const models = { learner: model(() => 0), reference: model((i) => i / 2) };
 * const { indices } = await selectExamples(device, models, { filterRatio: 0.8, chunks: 2, gain: 100, seed: 1 });
 * ```
 */
export async function selectExamples(
  device: Device,
  { learner = null, reference = null }: HostModels,
  options: SelectOptions,
): Promise<SelectResult> {
  const { filterRatio, sampler = "joint", loss = "sigmoid", chunks, gain, seed } = options;
  const { iterations = GIBBS_ITERATIONS, uniformShare = 0 } = options;
  if (!lossNames.includes(loss)) {
    throw new RangeError(`There is no loss "${loss}": choose one of ${lossNames.join(", ")}`);
  }
  // A uniform selection goes by no score, and is given one all the same.
  const score = samplerScore(sampler, options.score) ?? options.score ??
    (!reference ? "hard-learner" : learner ? "learnability" : "easy-reference");
  const superBatch = countPairs({ learner, reference }, score);
  if (!Number.isFinite(gain)) throw new RangeError(`The gain is ${gain}: choose a finite number`);
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`The seed is ${seed}: choose a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
  }
  const batch = selectedCount(superBatch, filterRatio);
  const buffers: GPUBuffer[] = [];
  const allocate = (label: string, sizeBytes: number): BufferRange => {
    const buffer = device.createBuffer(label, sizeBytes);
    buffers.push(buffer);
    return { buffer, offsetBytes: 0, sizeBytes: buffer.size };
  };
  try {
    const graph = new Graph(device);
    const upload = (label: string, shape: Shape, data: Float32Array | Uint32Array) => {
      const range = allocate(label, data.byteLength);
      device.write(range.buffer, data);
      return graph.external(label, shape, range, { dtype: data instanceof Uint32Array ? "u32" : "f32" });
    };
    const pairing = (name: string, model: HostEmbeddings | null) =>
      model && {
        image: upload(`${name} image embeddings`, [superBatch, model.width], model.image),
        text: upload(`${name} text embeddings`, [superBatch, model.width], model.text),
        logitScale: upload(`${name} scale`, [1], Float32Array.of(Math.log(model.logitScale))),
        logitBias: upload(`${name} bias`, [1], Float32Array.of(model.logitBias)),
      };
    const embeddings = { learner: pairing("learner", learner), reference: pairing("reference", reference) };
    const step = upload("step", [4], new Uint32Array(4));
    const request = { superBatch, batch, chunks, iterations, uniformShare, gain, seed, step, loss, score };
    const selection = selectBatch(graph, sampler, embeddings, request);
    const learnability = score === "learnability"
      ? selection.batchScore
      : learner && reference
      ? new Candidates(graph, embeddings, { ...request, score: "learnability" }).batchScore(selection.indices)
      : null;
    /** Keeps a tensor of the program, to be read after it. */
    const keep = (tensor: Tensor) => {
      if (!tensor.storage.range) graph.place(tensor, allocate(tensor.label, tensor.sizeBytes));
      return () => device.read(tensor.storage.range!.buffer, 0, tensor.sizeBytes);
    };
    const indices = keep(selection.indices);
    const [own, drawnBy, entropy, batchScore, batchLearnability] = [
      selection.diagonal!,
      selection.drawnBy,
      selection.entropy,
      selection.batchScore,
      learnability ?? selection.batchScore,
    ].map((tensor) => {
      const read = keep(tensor);
      return async () => Array.from(new Float32Array(await read()));
    });
    using program = await Program.compile(device, graph, "selection");
    device.submit(program.recording);
    return {
      indices: Array.from(new Uint32Array(await indices())),
      batchScore: (await batchScore())[0],
      batchLearnability: learnability && (await batchLearnability())[0],
      scores: await own(),
      conditionalScores: samplers[sampler].scores && await drawnBy(),
      entropies: await entropy(),
    };
  } finally {
    for (const buffer of buffers) device.destroyBuffer(buffer);
  }
}

/** Checks the models that were given, and that those are that the score counts; returns how many pairs they embedded. */
function countPairs(models: HostModels, score: ScoreName): number {
  const counted = countedModels(score), counts = new Map<string, number>();
  for (const name of ["learner", "reference"] as const) {
    const model = models[name];
    if (model) counts.set(name, check(name, model));
    else if (counted[name]) {
      throw new TypeError(`The score "${score}" needs the embeddings of a ${name}: give them`);
    }
  }
  const [first, second = first] = counts.values();
  if (first !== second) {
    throw new TypeError(`The learner embedded ${first} pairs and the reference ${second}: give the same`);
  }
  return first;
}

/** Checks one model's embeddings and returns how many pairs they are of. */
function check(name: string, { image, text, width, logitScale, logitBias }: HostEmbeddings): number {
  if (!Number.isInteger(width) || width < 4 || width % 4 !== 0) {
    throw new TypeError(
      `The ${name}'s embeddings have ${width} columns: give a multiple of 4 (pad with zeros)`,
    );
  }
  if (!(logitScale > 0 && Number.isFinite(logitScale)) || !Number.isFinite(logitBias)) {
    throw new RangeError(
      `The ${name}'s logit scale is ${logitScale} and its bias ${logitBias}: give finite numbers, α > 0`,
    );
  }
  if (image.length !== text.length || image.length % width !== 0 || image.length === 0) {
    throw new TypeError(
      `The ${name}'s image embeddings have ${image.length} numbers and its text embeddings ${text.length}: both must be ` +
        `the same multiple of ${width}`,
    );
  }
  for (const [side, data] of Object.entries({ image, text })) {
    for (let row = 0; row < data.length / width; row++) {
      let squares = 0;
      for (let at = row * width; at < (row + 1) * width; at++) squares += data[at] ** 2;
      if (!(Math.abs(Math.sqrt(squares) - 1) < 1e-3)) {
        throw new RangeError(
          `Row ${row} of the ${name}'s ${side} embeddings has length ${
            Math.sqrt(squares)
          }, expected 1: normalise the rows`,
        );
      }
    }
  }
  return image.length / width;
}
