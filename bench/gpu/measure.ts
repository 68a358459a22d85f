/**
 * Inputs, times and samples of single kernels.
 *
 * @module
 */

import type { Device } from "../../src/gpu/device.ts";
import { gpuMilliseconds, steadyTime } from "../../src/gpu/timing.ts";
import type { Program } from "../../src/graph/program.ts";

/** Random numbers in (−0.5, 0.5) that repeat after a prime count, which fits no tile: made fast for millions. */
export function noise(size: number, seed: number): Float32Array<ArrayBuffer> {
  const numbers = new Float32Array(size), period = Math.min(size, 65_521);
  let state = seed;
  for (let i = 0; i < period; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    numbers[i] = state / 2 ** 32 - 0.5;
  }
  for (let done = period; done < size; done += period) numbers.copyWithin(done, 0, period);
  return numbers;
}

/** Milliseconds of one run of a program. */
export async function programMilliseconds(device: Device, { recording }: Program): Promise<number> {
  const { milliseconds } = await steadyTime((units) =>
    gpuMilliseconds(device, (encoder) => {
      const pass = encoder.beginComputePass();
      for (let unit = 0; unit < units; unit++) recording.encode(pass);
      pass.end();
    }), { attempts: 1 });
  return milliseconds;
}

/** Reads single f32 numbers out of a buffer, in one wait. */
export async function readAt(
  device: Device,
  buffer: GPUBuffer,
  places: readonly number[],
): Promise<Float32Array> {
  const gathered = device.createBuffer("samples", places.length * 4);
  try {
    const encoder = device.gpu.createCommandEncoder();
    places.forEach((place, i) => encoder.copyBufferToBuffer(buffer, place * 4, gathered, i * 4, 4));
    device.gpu.queue.submit([encoder.finish()]);
    return new Float32Array(await device.read(gathered, 0, places.length * 4));
  } finally {
    device.destroyBuffer(gathered);
  }
}
