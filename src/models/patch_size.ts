/**
 * A model at another patch size, for those who can't resize it as they run it.
 *
 * @module
 */

import { kernelResize, positionResize, type ResizeMatrix, transpose } from "../ops/resize_matrix.ts";
import type { Checkpoint } from "./checkpoint.ts";

/**
 * The model whose own patches are what the given one sees when it is run at that patch size: its kernel, position grid and
 * flattening head are resized as `embedPatches` does (FlexiViT, arXiv:2212.08013).
 *
 * @param patchSize side of the patches in pixels
 * @throws RangeError when it does not divide the pictures' side
 */
export function atPatchSize(checkpoint: Checkpoint, patchSize: number): Checkpoint {
  const { config, parameters } = checkpoint, { vision } = config;
  const { imageSize, patchSize: stored, pool } = vision;
  if (patchSize === stored) return checkpoint;
  if (imageSize % patchSize !== 0) {
    throw new RangeError(
      `Cannot cut pictures of ${imageSize} pixels into patches of ${patchSize}: choose a divisor`,
    );
  }
  const from = imageSize / stored, to = imageSize / patchSize, resized = new Map(parameters);
  const resize = (name: string, matrix: ResizeMatrix) =>
    resized.set(name, multiply(matrix, parameters.get(name)!));
  resize("image.patch.kernel", kernelResize(stored, patchSize));
  resize("image.position", positionResize(from, to));
  if (pool === "flatten") resize("image.pool.weight", transpose(positionResize(to, from)));
  return { ...checkpoint, parameters: resized, config: { ...config, vision: { ...vision, patchSize } } };
}

/** A matrix times the rows of `x`, [columns, N] laid flat; summed in f64. */
function multiply({ rows, columns, data }: ResizeMatrix, x: Float32Array): Float32Array<ArrayBuffer> {
  const width = x.length / columns, product = new Float32Array(rows * width), sum = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    sum.fill(0);
    for (let column = 0; column < columns; column++) {
      const weight = data[row * columns + column];
      if (weight === 0) continue;
      for (let i = 0; i < width; i++) sum[i] += weight * x[column * width + i];
    }
    product.set(sum, row * width);
  }
  return product;
}
