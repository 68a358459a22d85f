/**
 * Wall-clock time of work on the GPU.
 *
 * Deno waits for the GPU in rounds of about 10 ms, so whatever is measured must last much longer than that: repeat it
 * within one submit.
 *
 * @module
 */

import type { Device } from "./device.ts";

/** Milliseconds that a measurement should last, so that the wait at its end weighs little. */
export const TARGET_MS = 250;

/**
 * Milliseconds from the submit of one command buffer until the GPU has run it; encoding is not counted.
 *
 * @param encode writes the work
 */
export async function gpuMilliseconds(
  device: Device,
  encode: (encoder: GPUCommandEncoder) => void,
): Promise<number> {
  await device.finish();
  const encoder = device.gpu.createCommandEncoder();
  encode(encoder);
  const commands = encoder.finish();
  const startedAt = performance.now();
  device.gpu.queue.submit([commands]);
  await device.finish();
  return performance.now() - startedAt;
}

/** What {@link steadyTime} found. */
export interface SteadyTime {
  /** Of one unit of work. */
  readonly milliseconds: number;
  /** Units that one measurement held. */
  readonly units: number;
}

/**
 * Milliseconds of one unit of work. The first measurement is a guess, corrected until one lasts about
 * {@link TARGET_MS}; then the best or the median of a few of that size counts.
 *
 * @param measure milliseconds that so many units of work take
 * @param options.attempts measurements of the final size
 * @param options.take `best` where everything that disturbs makes it slower (a peak), `median` where the usual counts
 * @param options.most units that one measurement may hold
 */
export async function steadyTime(
  measure: (units: number) => Promise<number>,
  { attempts = 3, take = "best", most = 2 ** 20 }: {
    attempts?: number;
    take?: "best" | "median";
    most?: number;
  } = {},
): Promise<SteadyTime> {
  await measure(1); // the driver compiles at the first run
  let units = 1, elapsed = await measure(1);
  while (elapsed < TARGET_MS * 0.7 && units < most) {
    // Short measurements consist mostly of the wait: they say only that much more is needed.
    const factor = Math.min(16, TARGET_MS / elapsed);
    units = Math.min(most, Math.ceil(units * factor));
    elapsed = await measure(units);
  }
  const times = [elapsed];
  while (times.length < attempts) times.push(await measure(units));
  const chosen = take === "best" ? Math.min(...times) : median(times);
  return { milliseconds: chosen / units, units };
}

/** The middle of some numbers, the mean of the middle two when they are even in number; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}
