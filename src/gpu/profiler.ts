/**
 * Times every dispatch of a recording by the GPU's own clock, and what a dispatch costs the CPU.
 *
 * @module
 */

import type { Device } from "./device.ts";
import type { Recording } from "./recorder.ts";
import { gpuMilliseconds, median, steadyTime } from "./timing.ts";

/** How long to measure. */
export interface ProfileOptions {
  /**
   * Runs of the whole recording in the one submit that is timed, and repetitions of the timing of single dispatches,
   * up to {@link MOST_REPETITIONS}. When left out, as many as take long enough: the median of three submits counts.
   */
  readonly runs?: number;
}

/** Times of a recording. */
export interface RecordingTimes {
  /** Of one run of the whole, in a submit of several: by the wall clock. */
  readonly milliseconds: number;
  /** Of each dispatch in order; they sum to the whole. Null when the adapter has no timestamps. */
  readonly dispatches: readonly number[] | null;
  /** What a dispatch costs the CPU: to encode, finish and submit the recording, divided by its length. */
  readonly submitMicroseconds: number;
}

/** Dispatches that one query set times: WebGPU allows it 4096 queries, and a dispatch takes two. */
const PER_QUERY_SET = 2048;
/** Repetitions beyond which the median of a dispatch's time hardly moves. */
const MOST_REPETITIONS = 15;
/** Submits whose cost to the CPU is measured, and how many are in flight at a time. */
const SUBMITS = 48, BURST = 4;
/** The CPU's cost is measured for no longer than this: a slow GPU has to run what is submitted. */
const CPU_LIMIT_MS = 3000;

/**
 * Measures a recording by running it many times.
 *
 * The whole is timed by the wall clock, repeated in one submit. Single dispatches are timed by timestamps around a pass
 * of their own, a few repetitions, and the median of each counts. These passes cost time that a normal run does not have,
 * and WebGPU counts in nanoseconds where Deno hands out the adapter's raw ticks: so the medians are only shares, and are
 * scaled to the time of the whole.
 */
export async function profileRecording(
  device: Device,
  recording: Recording,
  { runs }: ProfileOptions = {},
): Promise<RecordingTimes> {
  const measure = (units: number) =>
    gpuMilliseconds(device, (encoder) => {
      const pass = encoder.beginComputePass();
      for (let unit = 0; unit < units; unit++) recording.encode(pass);
      pass.end();
    });
  const milliseconds = runs
    ? await measure(runs) / runs
    : (await steadyTime(measure, { take: "median", most: 4096 })).milliseconds;
  const submitMicroseconds = await submitCost(device, recording);
  if (!device.has("timestamp-query")) return { milliseconds, dispatches: null, submitMicroseconds };
  const repetitions = runs ?? Math.ceil(2000 / milliseconds);
  const ticks = await dispatchTicks(device, recording, Math.max(1, Math.min(MOST_REPETITIONS, repetitions)));
  const sum = ticks.reduce((a, b) => a + b, 0);
  const dispatches = ticks.map((count) => sum > 0 ? count / sum * milliseconds : milliseconds / ticks.length);
  return { milliseconds, dispatches, submitMicroseconds };
}

/** The median ticks of each dispatch over some repetitions. */
async function dispatchTicks(device: Device, recording: Recording, repetitions: number): Promise<number[]> {
  const { gpu } = device, count = recording.length;
  const querySets: GPUQuerySet[] = [];
  const buffer = device.createBuffer("timestamps", count * 16, GPUBufferUsage.QUERY_RESOLVE);
  try {
    for (let first = 0; first < count; first += PER_QUERY_SET) {
      querySets.push(
        gpu.createQuerySet({ type: "timestamp", count: 2 * Math.min(PER_QUERY_SET, count - first) }),
      );
    }
    const spans = Array.from({ length: count }, () => [] as number[]);
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const encoder = gpu.createCommandEncoder();
      for (let index = 0; index < count; index++) {
        const at = 2 * (index % PER_QUERY_SET);
        const pass = encoder.beginComputePass({
          timestampWrites: {
            querySet: querySets[Math.floor(index / PER_QUERY_SET)],
            beginningOfPassWriteIndex: at,
            endOfPassWriteIndex: at + 1,
          },
        });
        recording.encode(pass, index, index + 1);
        pass.end();
      }
      querySets.forEach((querySet, part) =>
        encoder.resolveQuerySet(querySet, 0, querySet.count, buffer, part * PER_QUERY_SET * 16)
      );
      gpu.queue.submit([encoder.finish()]);
      const values = new BigUint64Array(await device.read(buffer, 0, count * 16));
      // A clock that jumps back between two queries says nothing: such a span counts as none.
      spans.forEach((span, index) =>
        span.push(Math.max(0, Number(values[2 * index + 1] - values[2 * index])))
      );
    }
    return spans.map(median);
  } finally {
    for (const querySet of querySets) querySet.destroy();
    device.destroyBuffer(buffer);
  }
}

/** Microseconds of CPU that one dispatch costs, the median of many submits; the GPU is waited for in between only. */
async function submitCost(device: Device, recording: Recording): Promise<number> {
  const costs: number[] = [], startedAt = performance.now();
  while (costs.length < SUBMITS && (costs.length < 3 || performance.now() - startedAt < CPU_LIMIT_MS)) {
    for (let submit = 0; submit < BURST; submit++) {
      const from = performance.now();
      device.submit(recording);
      costs.push(performance.now() - from);
    }
    await device.finish();
  }
  return 1000 * median(costs) / recording.length;
}
