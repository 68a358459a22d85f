/**
 * Times every dispatch of a recording by the GPU's own clock.
 *
 * @module
 */

import type { Device } from "./device.ts";
import type { Recording } from "./recorder.ts";

/** Time of one dispatch. */
export interface DispatchTime {
  /** `shader.entry` */
  readonly label: string;
  /** How long it ran. */
  readonly milliseconds: number;
}

/**
 * Runs a recording once with a timestamp around each dispatch. Every dispatch gets a pass of its own, so the whole takes
 * longer than a normal run; the parts are what counts.
 *
 * WebGPU counts in nanoseconds, but Deno hands out the adapter's raw ticks: the sum is scaled to the wall clock, measured
 * around the same submit. Shares are exact either way.
 *
 * @throws RangeError when the adapter has no timestamps, or there are more dispatches than one query set holds
 */
export async function profile(device: Device, recording: Recording): Promise<DispatchTime[]> {
  const { gpu } = device, count = recording.length;
  if (!device.has("timestamp-query")) {
    throw new RangeError("This adapter has no timestamps: nothing can be profiled");
  }
  if (count > 2048) throw new RangeError(`Cannot profile ${count} dispatches: a query set holds 2,048 pairs`);
  const querySet = gpu.createQuerySet({ type: "timestamp", count: count * 2 });
  const ticks = device.createBuffer("timestamps", count * 16, GPUBufferUsage.QUERY_RESOLVE);
  try {
    await device.finish();
    const encoder = gpu.createCommandEncoder();
    for (let index = 0; index < count; index++) {
      const pass = encoder.beginComputePass({
        timestampWrites: {
          querySet,
          beginningOfPassWriteIndex: 2 * index,
          endOfPassWriteIndex: 2 * index + 1,
        },
      });
      recording.encode(pass, index, index + 1);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, count * 2, ticks, 0);
    const startedAt = performance.now();
    gpu.queue.submit([encoder.finish()]);
    const values = new BigUint64Array(await device.read(ticks, 0, count * 16));
    const elapsedMs = performance.now() - startedAt;
    const spans = Array.from(
      { length: count },
      (_, index) => Number(values[2 * index + 1] - values[2 * index]),
    );
    const whole = Number(values[2 * count - 1] - values[0]);
    return spans.map((span, index) => ({
      label: recording.labels[index],
      milliseconds: whole > 0 ? span / whole * elapsedMs : 0,
    }));
  } finally {
    querySet.destroy();
    device.destroyBuffer(ticks);
  }
}
