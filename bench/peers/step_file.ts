/**
 * The file from which every library starts its training step: superbatch's initial parameters and one batch.
 *
 * @module
 */

import type { DualEncoderConfig } from "../../src/models/config.ts";
import { readSafetensors } from "../../src/storage/safetensors.ts";

/** A starting point. */
export interface StepStart {
  /** Parameters by their checkpoint names. */
  readonly parameters: ReadonlyMap<
    string,
    { shape: readonly number[]; data: Float32Array<ArrayBuffer> }
  >;
  /** [b, I, I, 3] RGB bytes. */
  readonly pixels: Uint8Array;
  /** [b, T] token ids. */
  readonly tokens: Int32Array<ArrayBuffer>;
}

/** Reads the file that superbatch's process wrote. */
export async function readStart(file: string): Promise<StepStart> {
  const { tensors } = readSafetensors(await Deno.readFile(file), {
    name: file,
  });
  const parameters = new Map<
    string,
    { shape: readonly number[]; data: Float32Array<ArrayBuffer> }
  >();
  for (const [name, { shape, data }] of tensors) {
    if (name.startsWith("param.")) {
      parameters.set(name.slice("param.".length), {
        shape,
        data: data as Float32Array<ArrayBuffer>,
      });
    }
  }
  return {
    parameters,
    pixels: tensors.get("input.pixels")!.data as Uint8Array,
    tokens: tensors.get("input.tokens")!.data as Int32Array<ArrayBuffer>,
  };
}

/**
 * Cuts pictures into patches, scaled to [−1, 1]. superbatch does this in every step on the GPU; the peers are given
 * the result, which spares them the work.
 *
 * @returns [b·N, P·P·3], columns in order (row, column, channel)
 */
export function patchify(
  pixels: Uint8Array,
  { imageSize, patchSize }: DualEncoderConfig["vision"],
): Float32Array<ArrayBuffer> {
  const side = imageSize / patchSize,
    y = new Float32Array(pixels.length),
    rowLength = imageSize * 3;
  let to = 0;
  for (
    let example = 0;
    example < pixels.length / (imageSize * rowLength);
    example++
  ) {
    for (let patch = 0; patch < side * side; patch++) {
      const top = Math.floor(patch / side) * patchSize,
        left = patch % side * patchSize;
      for (let row = 0; row < patchSize; row++) {
        const from = (example * imageSize + top + row) * rowLength + left * 3;
        for (let i = 0; i < patchSize * 3; i++) {
          y[to++] = pixels[from + i] / 127.5 - 1;
        }
      }
    }
  }
  return y;
}

/** +1 on the diagonal, −1 elsewhere: the sigmoid loss's signs. */
export function signs(batch: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: batch * batch },
    (_, i) => i % (batch + 1) === 0 ? 1 : -1,
  );
}
