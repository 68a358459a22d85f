/**
 * Clipping by the global norm, and AdamW.
 *
 * @module
 */

import type { BufferRange } from "../gpu/device.ts";
import { linearGrid } from "../gpu/recorder.ts";
import { adamw as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";

const WORKGROUP = 64;
const PER_LANE = 4;

/** Settings of AdamW. */
export interface AdamWOptions {
  /** Decay of the first moment, β₁. */
  readonly beta1: number;
  /** Decay of the second moment, β₂. */
  readonly beta2: number;
  /** Added to the root of the second moment, ε. */
  readonly epsilon: number;
  /** Decoupled weight decay; a parameter shrinks by learning rate × decay a step. */
  readonly weightDecay: number;
  /** Largest global norm of the gradient. */
  readonly clipNorm: number;
}

/** The paper's settings: β₂ = .95 because .999 spikes at a filter ratio of .8. */
export const adamWDefaults: AdamWOptions = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 1e-4,
  clipNorm: 1,
};

/** A flat range of parameters with their gradients and moments. */
export interface OptimizedRange {
  readonly decay: boolean;
  /** Factor on the learning rate; 1 when left out. */
  readonly rate?: number;
  /** Elements, a multiple of 4. */
  readonly size: number;
  readonly parameters: BufferRange;
  readonly gradients: BufferRange;
  readonly firstMoment: BufferRange;
  readonly secondMoment: BufferRange;
}

/** Bytes of the buffer that {@link stepState} fills. */
export const STEP_BYTES = 16;

/**
 * What the host writes before step `index` (from 1): the index, the learning rate and both bias corrections.
 *
 * @returns 16 bytes
 */
export function stepState(index: number, learningRate: number, { beta1, beta2 }: AdamWOptions): Uint8Array {
  const view = new DataView(new ArrayBuffer(STEP_BYTES));
  view.setUint32(0, index, true);
  view.setFloat32(4, learningRate, true);
  view.setFloat32(8, 1 - beta1 ** index, true);
  view.setFloat32(12, 1 - beta2 ** index, true);
  return new Uint8Array(view.buffer);
}

/**
 * Records the clip and the update of all parameters.
 *
 * @param ranges the flat buffers; gradients must be complete
 * @param step [4] u32 words of {@link stepState}
 * @returns [4]: the gradient's norm before clipping, the factor, 1 when the norm is finite, unused
 * @throws RangeError when a range's size is no multiple of 4
 */
export function adamW(
  graph: Graph,
  ranges: readonly OptimizedRange[],
  step: Tensor,
  options: AdamWOptions,
): Tensor {
  for (const { size } of ranges) {
    if (size % 4 !== 0) throw new RangeError(`Cannot update ${size} parameters: pad them to a multiple of 4`);
  }
  const { beta1, beta2, epsilon, weightDecay, clipNorm } = options;
  const params = { beta1, beta2, epsilon, limit: clipNorm, rate: 1 };
  const constants = { WORKGROUP, PER_LANE };
  const perGroup = WORKGROUP * PER_LANE * 4;
  const gradients = ranges.map(({ gradients, size }) => graph.external("gradients", [size], gradients));
  // Every range writes its own rows of the partial sums, on the 64-element grid that bindings need.
  const counts = ranges.map(({ size }) => Math.ceil(size / perGroup / 64) * 64);
  const partial = graph.temporary("sums of squares", [counts.reduce((a, b) => a + b, 0)]);
  let first = 0;
  ranges.forEach(({ size }, index) => {
    const rows = partial.rows(first, first + counts[index]);
    // The grid covers the padding too, so that no stale partial sum is left.
    graph.dispatch(shader, "squares", {
      params: { ...params, size: size / 4, decay: 0 },
      gradient: gradients[index],
      partial_out: rows,
    }, {
      workgroups: linearGrid(counts[index], 1),
      constants,
    });
    first += counts[index];
  });
  const clip = graph.temporary("gradient norm", [4]);
  graph.dispatch(
    shader,
    "clip",
    { params: { ...params, size: partial.size, decay: 0 }, partial_sums: partial, clip_out: clip },
    { workgroups: [1, 1, 1], constants },
  );
  ranges.forEach(({ decay, rate = 1, size, parameters, firstMoment, secondMoment }, index) => {
    graph.dispatch(shader, "update", {
      params: { ...params, rate, size: size / 4, decay: decay ? weightDecay : 0 },
      step,
      gradient: gradients[index],
      clip_state: clip,
      parameter: graph.external("parameters", [size], parameters),
      first_moment: graph.external("first moments", [size], firstMoment),
      second_moment: graph.external("second moments", [size], secondMoment),
    }, {
      workgroups: linearGrid(size / 4, WORKGROUP),
      constants,
      bytes: 7 * 4 * size, // the gradient read; parameter and both moments read and written
    });
  });
  return clip;
}
