/**
 * What ops share that offer a tuner a choice between variants.
 *
 * @module
 */

import type { DType } from "../graph/tensor.ts";

/** The class of a length: up to the same power of 2, what is best changes slowly. */
export function shapeClass(length: number): number {
  return 2 ** Math.ceil(Math.log2(length));
}

/** Elements of a trial's largest matrix: enough to keep every GPU busy, and quickly made and uploaded. */
export const MOST_TRIAL_ELEMENTS = 2 ** 24;

/** Numbers without a pattern that a wrong kernel could reproduce; their period, a prime, fits no tile. */
export function wave(size: number, dtype: DType = "f32"): Float32Array | Float16Array {
  const period = Math.min(size, 65_521);
  const numbers = dtype === "f16" ? new Float16Array(size) : new Float32Array(size);
  for (let i = 0; i < period; i++) numbers[i] = Math.sin(i * 1.7) / 2;
  for (let done = period; done < size; done += period) numbers.copyWithin(done, 0, period);
  return numbers;
}
