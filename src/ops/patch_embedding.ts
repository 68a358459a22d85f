/**
 * Patch embedding at any patch size, from one stored kernel and one stored position grid.
 *
 * FlexiViT (arXiv:2212.08013): for another patch size the kernel is resized by the pseudo-inverse of the bilinear
 * resize, so that ⟨resized patch, resized kernel⟩ stays ⟨patch, kernel⟩ when patches are enlarged; the position grid
 * is resized linearly. Always from what is stored, never from a resized one; gradients return through the transposes.
 *
 * @module
 */

import { linearGrid } from "../gpu/recorder.ts";
import { patchify as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { linear, matmul } from "./matmul.ts";
import { kernelResize, positionResize, type ResizeMatrix, transpose } from "./resize_matrix.ts";

const WORKGROUP = 64;

/** What the patch embedding learns, as it is stored. */
export interface PatchEmbeddingParameters {
  /** [P₀·P₀·3, D], rows in order (row, column, channel). */
  readonly kernel: Tensor;
  /** [D]; null without one. */
  readonly bias: Tensor | null;
  /** [G₀·G₀, D] */
  readonly position: Tensor;
}

/** What is subtracted from each channel, of a scale from 0 to 1, and what it is divided by then. */
export interface PixelNormalisation {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/**
 * Pictures to embedded patches with their positions.
 *
 * @param pixels [B, I·I·3/4] u32: RGB bytes, four to a word
 * @param imageSize I, in pixels
 * @param patchSize P, in pixels; must divide I
 * @param normalisation of the pixels; to −1 … 1 when left out
 * @returns [B·N, D] with N = (I / P)²
 * @throws RangeError when P does not divide I
 */
export function embedPatches(
  graph: Graph,
  pixels: Tensor,
  { kernel, bias, position }: PatchEmbeddingParameters,
  imageSize: number,
  patchSize: number,
  { mean, std }: PixelNormalisation = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
): Tensor {
  if (imageSize % patchSize !== 0) {
    throw new RangeError(
      `Cannot cut pictures of ${imageSize} pixels into patches of ${patchSize}: choose a divisor`,
    );
  }
  const batch = pixels.shape[0], side = imageSize / patchSize, length = patchSize * patchSize * 3;
  const patches = graph.temporary("patches", [batch * side * side, length], graph.activations);
  const params = { image: imageSize, patch_size: patchSize };
  const [DIVISOR_R, DIVISOR_G, DIVISOR_B] = std.map((deviation) => 255 * deviation);
  const [OFFSET_R, OFFSET_G, OFFSET_B] = mean.map((value, channel) => -value / std[channel]);
  const constants = { WORKGROUP, DIVISOR_R, DIVISOR_G, DIVISOR_B, OFFSET_R, OFFSET_G, OFFSET_B };
  if (patchSize * 3 % 4 === 0) {
    const words = patches.size / 4;
    graph.dispatch(shader, "forward", { params: { ...params, size: words }, pixels, y: patches }, {
      workgroups: linearGrid(words, WORKGROUP),
      constants,
    });
  } else {
    const { size } = patches;
    graph.dispatch(shader, "forward_bytes", { params: { ...params, size }, pixels, y_bytes: patches }, {
      workgroups: linearGrid(size, WORKGROUP),
      constants,
    });
  }
  const storedPatch = Math.sqrt(kernel.shape[0] / 3), storedSide = Math.sqrt(position.shape[0]);
  const width = kernel.shape[1];
  const resized = storedPatch === patchSize ? kernel : graph.reshape(
    resample(graph, kernelResize(storedPatch, patchSize), graph.reshape(kernel, storedPatch ** 2, 3 * width)),
    length,
    width,
  );
  const grid = storedSide === side ? position : resample(graph, positionResize(storedSide, side), position);
  return linear(graph, patches, resized, bias, grid);
}

/**
 * Resizes the weight of a layer that flattens a grid of tokens: what it gives for G² tokens is what the stored one gives
 * for these tokens spread over G₀² places by bilinear interpolation, so tokens that are all alike come out the same.
 *
 * @param weight [G₀²·D, E], rows in order (place, column)
 * @param storedSide G₀
 * @param side G
 * @returns [G²·D, E]
 */
export function resizeTokenWeight(graph: Graph, weight: Tensor, storedSide: number, side: number): Tensor {
  if (storedSide === side) return weight;
  const [rows, width] = weight.shape, columns = rows / storedSide ** 2 * width;
  const perPlace = graph.reshape(weight, storedSide ** 2, columns);
  return graph.reshape(
    resample(graph, transpose(positionResize(side, storedSide)), perPlace),
    rows / storedSide ** 2 * side ** 2,
    width,
  );
}

/** Multiplies the rows of `x` [R₀, N] by a constant matrix [R, R₀]. */
function resample(
  graph: Graph,
  matrix: ResizeMatrix,
  x: Tensor,
): Tensor {
  const constant = graph.constant(`resize of ${x.label}`, [matrix.rows, matrix.columns], matrix.data);
  const y = matmul(graph, constant, x, { label: `resized ${x.label}` });
  return graph.differentiate(y, [x], (dy) => {
    graph.contribute(
      x,
      (addend) => matmul(graph, constant, dy, { transposeA: true, addend, label: `d ${x.label}` }),
    );
  });
}
