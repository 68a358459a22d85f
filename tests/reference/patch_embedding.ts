/**
 * Patch embedding in float64: pictures u8 [B, I, I, 3] → x/127.5 − 1 → patches → · kernel + bias + position.
 *
 * Patches run row by row, as do the pixels in them; the kernel's rows are (row, column, channel).
 */

import { linear, linearBackward } from "./linear.ts";
import { gridResize, kernelResize, resizeSquare, resizeSquareBackward } from "./resize.ts";

/** What the embedding learns: kernel [P₀·P₀·3, D], bias [D], position [G₀·G₀, D]. */
export interface PatchParameters {
  readonly kernel: Float64Array;
  readonly bias: Float64Array;
  readonly position: Float64Array;
}

/** Mean and deviation of each channel, of a scale from 0 to 1. */
export interface Normalisation {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const HALVES: Normalisation = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** Pictures to patches [B·N, P·P·3], N = (I / P)²; in −1 … 1 unless they are normalised in another way. */
export function patchify(
  pixels: ArrayLike<number>,
  imageSize: number,
  patchSize: number,
  { mean, std }: Normalisation = HALVES,
): Float64Array {
  const side = imageSize / patchSize, examples = pixels.length / (imageSize * imageSize * 3);
  const patches = new Float64Array(pixels.length);
  let at = 0;
  for (let b = 0; b < examples; b++) {
    for (let patch = 0; patch < side * side; patch++) {
      const top = Math.floor(patch / side) * patchSize, left = patch % side * patchSize;
      for (let y = top; y < top + patchSize; y++) {
        for (let x = left; x < left + patchSize; x++) {
          const pixel = ((b * imageSize + y) * imageSize + x) * 3;
          for (let c = 0; c < 3; c++) patches[at++] = (pixels[pixel + c] / 255 - mean[c]) / std[c];
        }
      }
    }
  }
  return patches;
}

/** The stored sizes P₀ and G₀, and the resizes to a patch size. */
function resizes({ kernel, bias, position }: PatchParameters, imageSize: number, patchSize: number) {
  const storedPatch = Math.sqrt(kernel.length / bias.length / 3),
    side = Math.sqrt(position.length / bias.length);
  return { kernel: kernelResize(storedPatch, patchSize), grid: gridResize(side, imageSize / patchSize) };
}

/** [B·N, D] at any patch size that divides I; other sizes than the stored one by FlexiViT's resizes. */
export function embedPatches(
  pixels: ArrayLike<number>,
  parameters: PatchParameters,
  imageSize: number,
  patchSize: number,
  normalisation?: Normalisation,
): Float64Array {
  const resize = resizes(parameters, imageSize, patchSize);
  const kernel = resizeSquare(resize.kernel, parameters.kernel),
    grid = resizeSquare(resize.grid, parameters.position);
  const y = linear(patchify(pixels, imageSize, patchSize, normalisation), kernel, parameters.bias);
  return y.map((value, at) => value + grid[at % grid.length]);
}

/** Gradients of what is stored, from dy [B·N, D]. */
export function embedPatchesBackward(
  pixels: ArrayLike<number>,
  parameters: PatchParameters,
  dy: ArrayLike<number>,
  imageSize: number,
  patchSize: number,
  normalisation?: Normalisation,
): { dkernel: Float64Array; dbias: Float64Array; dposition: Float64Array } {
  const resize = resizes(parameters, imageSize, patchSize);
  const kernel = resizeSquare(resize.kernel, parameters.kernel);
  const { dweight, dbias } = linearBackward(
    patchify(pixels, imageSize, patchSize, normalisation),
    kernel,
    dy,
  );
  const dgrid = new Float64Array((imageSize / patchSize) ** 2 * parameters.bias.length);
  for (let at = 0; at < dy.length; at++) dgrid[at % dgrid.length] += dy[at];
  return {
    dkernel: resizeSquareBackward(resize.kernel, dweight),
    dbias,
    dposition: resizeSquareBackward(resize.grid, dgrid),
  };
}
