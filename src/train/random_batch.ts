/**
 * Random super-batches: what is trained on where only time or memory counts.
 *
 * @module
 */

import type { DualEncoderConfig } from "../models/config.ts";
import { normal, randomWord, Stream } from "../random/philox.ts";
import type { SuperBatch } from "./trainer.ts";

/** Pixels are repeated after so many bytes: a step's time does not depend on what the pictures show. */
const PIXEL_PERIOD = 2 ** 18;

/**
 * Random pictures, token ids spread evenly over the vocabulary, and random unit embeddings of a reference.
 *
 * @param config whose pictures and texts
 * @param count pairs, S
 * @param width columns of the reference's embeddings
 * @param seed the same seed gives the same batch
 */
export function randomSuperBatch(
  config: DualEncoderConfig,
  count: number,
  width: number,
  seed: number,
): Required<SuperBatch> {
  const { vision: { imageSize }, text: { tokens, vocabulary } } = config;
  const pixels = new Uint8Array(count * imageSize ** 2 * 3);
  const period = Math.min(pixels.length, PIXEL_PERIOD);
  for (let at = 0; at < period; at++) pixels[at] = randomWord(seed, Stream.data, 0, at);
  for (let filled = period; filled < pixels.length; filled *= 2) pixels.copyWithin(filled, 0, filled);
  return {
    pixels,
    tokens: Uint32Array.from(
      { length: count * tokens },
      (_, at) => randomWord(seed, Stream.data, 1, at) % vocabulary,
    ),
    reference: { image: unitRows(count, width, seed, 2), text: unitRows(count, width, seed, 3) },
  };
}

/** [count, width] rows of length 1, in directions that are spread evenly. */
function unitRows(count: number, width: number, seed: number, step: number): Float32Array {
  const rows = Float32Array.from({ length: count * width }, (_, at) => normal(seed, Stream.data, step, at));
  for (let row = 0; row < count; row++) {
    const part = rows.subarray(row * width, (row + 1) * width), length = Math.hypot(...part);
    part.forEach((value, column) => part[column] = value / length);
  }
  return rows;
}
