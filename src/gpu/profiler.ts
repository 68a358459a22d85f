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
  /** What a dispatch costs the CPU to encode: the recording into a command buffer, divided by its length. */
  readonly encodeMicroseconds: number;
  /** What the submit of such a command buffer costs the CPU while the GPU has nothing else to do. */
  readonly submitMicroseconds: number;
}

/** Dispatches that one query set times: WebGPU allows it 4096 queries, and a dispatch takes two. */
const PER_QUERY_SET = 2048;
/** Repetitions beyond which the median of a dispatch's time hardly moves. */
const MOST_REPETITIONS = 15;
/** Command buffers whose cost to the CPU is measured, and how many of them are submitted: a slow GPU has to run these. */
const ENCODINGS = 48, MOST_SUBMITS = 12, SUBMIT_LIMIT_MS = 2000;

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
  const cost = await cpuCost(device, recording);
  if (!device.has("timestamp-query")) return { milliseconds, dispatches: null, ...cost };
  const repetitions = runs ?? Math.ceil(2000 / milliseconds);
  const ticks = await dispatchTicks(device, recording, Math.max(1, Math.min(MOST_REPETITIONS, repetitions)));
  const sum = ticks.reduce((a, b) => a + b, 0);
  const dispatches = ticks.map((count) => sum > 0 ? count / sum * milliseconds : milliseconds / ticks.length);
  return { milliseconds, dispatches, ...cost };
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

/** What a recording costs the CPU, medians. */
async function cpuCost(
  device: Device,
  recording: Recording,
): Promise<Pick<RecordingTimes, "encodeMicroseconds" | "submitMicroseconds">> {
  const { gpu } = device;
  const encoded = Array.from({ length: ENCODINGS }, () => {
    const from = performance.now();
    const encoder = gpu.createCommandEncoder(), pass = encoder.beginComputePass();
    recording.encode(pass);
    pass.end();
    const commands = encoder.finish();
    return { commands, milliseconds: performance.now() - from };
  });
  const submits: number[] = [], startedAt = performance.now();
  for (const { commands } of encoded.slice(0, MOST_SUBMITS)) {
    if (submits.length >= 3 && performance.now() - startedAt > SUBMIT_LIMIT_MS) break;
    await device.finish(); // a submit waits where much is submitted already
    const from = performance.now();
    gpu.queue.submit([commands]);
    submits.push(performance.now() - from);
  }
  await device.finish();
  return {
    encodeMicroseconds: 1000 * median(encoded.map(({ milliseconds }) => milliseconds)) / recording.length,
    submitMicroseconds: 1000 * median(submits),
  };
}
