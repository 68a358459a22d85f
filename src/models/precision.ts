/**
 * How a training keeps its numbers.
 *
 * @module
 */

import type { AdapterTraits } from "../gpu/device.ts";

/**
 * `f32`, or `f16`: kernels of linear layers and the activations that matrix products and attention read are stored in
 * half precision, rounded to 11 bits. Parameters, gradients, moments, the residual stream, statistics, embeddings and
 * the loss stay f32, and so does every sum (mixed precision, Micikevicius et al., arXiv:1710.03740; gradients are never
 * stored in half precision, so none underflows and the loss needs no scaling).
 */
export type Precision = "f32" | "f16";

/** All precisions. */
export const precisions = ["f32", "f16"] as const satisfies readonly Precision[];

/** @throws RangeError when the adapter cannot store numbers that way, or there is no such precision */
export function expectPrecision(precision: Precision, { halfPrecision }: AdapterTraits): void {
  if (!precisions.includes(precision)) {
    throw new RangeError(`There is no precision "${precision}": choose one of ${precisions.join(", ")}`);
  }
  if (precision === "f16" && !halfPrecision) {
    throw new RangeError(
      `Cannot train in f16: this adapter does not offer the WebGPU feature "shader-f16". Use f32 (--precision f32).`,
    );
  }
}
