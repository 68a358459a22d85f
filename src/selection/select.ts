/**
 * Joint selection from embeddings on the host: JEST for anyone's models.
 *
 * @module
 */

import type { BufferRange, Device } from "../gpu/device.ts";
import { Graph } from "../graph/graph.ts";
import { Program } from "../graph/program.ts";
import { selectJoint } from "./joint.ts";

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
  /** β */
  readonly logitBias: number;
}

/** What to select, and how. */
export interface SelectOptions {
  /** Share of the examples to leave out, f: b = B (1 − f). */
  readonly filterRatio: number;
  /** Draws that make up the selection, N. */
  readonly chunks: number;
  /** Factor on the scores before a draw; the paper takes 100. */
  readonly gain: number;
  /** Seed of the draws, a whole number from 0 to 2⁵³ − 1; the same seed gives the same selection. */
  readonly seed: number;
}

/** A selection. */
export interface SelectResult {
  /** Rows of the embeddings, in order of selection. */
  readonly indices: number[];
  /** (1/b) Σ over the selected pairs of learner's minus reference's loss, at gain 1. */
  readonly batchLearnability: number;
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
 * Selects the sub-batch that is jointly most learnable: high loss for the learner, low loss for the reference.
 *
 * Source: Evans et al., arXiv:2406.17711, with the sigmoid loss.
 *
 * @throws TypeError when the two models embedded different numbers of pairs, or a width does not fit
 * @throws RangeError when a row is not of unit length or not finite, f, N and B do not fit together, or a gain or
 *   seed is out of range
 *
 * @example
 * ```ts
 * import { Device, type HostEmbeddings, selectJointly } from "@superbatch/superbatch";
 *
 * using device = await Device.open();
 * // Ten pairs in two dimensions (padded to 4): the learner finds all alike, the reference tells them apart.
 * const rows = (angle: (i: number) => number) =>
 *   Float32Array.from({ length: 40 }, (_, at) => [Math.cos, Math.sin][at % 4]?.(angle(Math.floor(at / 4))) ?? 0);
 * const model = (angle: (i: number) => number): HostEmbeddings => (
 *   { image: rows(angle), text: rows(angle), width: 4, logitScale: 10, logitBias: -5 }
 * );
 * const { indices } = await selectJointly(device, model(() => 0), model((i) => i / 2), {
 *   filterRatio: 0.8,
 *   chunks: 2,
 *   gain: 100,
 *   seed: 1,
 * });
 * ```
 */
export async function selectJointly(
  device: Device,
  learner: HostEmbeddings,
  reference: HostEmbeddings,
  { filterRatio, chunks, gain, seed }: SelectOptions,
): Promise<SelectResult> {
  const superBatch = check("learner", learner);
  const referenceCount = check("reference", reference);
  if (superBatch !== referenceCount) {
    throw new TypeError(
      `The learner embedded ${superBatch} pairs and the reference ${referenceCount}: give the same`,
    );
  }
  if (!Number.isFinite(gain)) throw new RangeError(`The gain is ${gain}: choose a finite number`);
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`The seed is ${seed}: choose a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
  }
  const batch = selectedCount(superBatch, filterRatio);
  const buffers: GPUBuffer[] = [];
  const upload = (label: string, data: Float32Array | Uint32Array): BufferRange => {
    const buffer = device.createBuffer(label, data.byteLength);
    buffers.push(buffer);
    device.write(buffer, data);
    return { buffer, offsetBytes: 0, sizeBytes: buffer.size };
  };
  try {
    const graph = new Graph(device);
    const pairing = (name: string, { image, text, width, logitScale, logitBias }: HostEmbeddings) => {
      const matrix = (side: string, data: Float32Array) =>
        graph.external(`${name} ${side}`, [superBatch, width], upload(`${name} ${side}`, data));
      const scalar = (what: string, value: number) =>
        graph.external(`${name} ${what}`, [1], upload(`${name} ${what}`, Float32Array.of(value)));
      return {
        image: matrix("image embeddings", image),
        text: matrix("text embeddings", text),
        logitScale: scalar("scale", Math.log(logitScale)),
        logitBias: scalar("bias", logitBias),
      };
    };
    const step = graph.external("step", [4], upload("step", new Uint32Array(4)), { dtype: "u32" });
    const { indices, learnability } = selectJoint(
      graph,
      { learner: pairing("learner", learner), reference: pairing("reference", reference) },
      { superBatch, batch, chunks, gain, seed, step },
    );
    const selected = upload("selected", new Uint32Array(batch));
    const total = upload("learnability", new Float32Array(4));
    graph.place(indices, selected);
    graph.place(learnability, total);
    using program = await Program.compile(device, graph, "selection");
    device.submit(program.recording);
    const order = new Uint32Array(await device.read(selected.buffer, 0, batch * 4));
    const [batchLearnability] = new Float32Array(await device.read(total.buffer, 0, 4));
    return { indices: Array.from(order), batchLearnability };
  } finally {
    for (const buffer of buffers) device.destroyBuffer(buffer);
  }
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
