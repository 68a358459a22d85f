/**
 * Times the variants of kernels that ops may choose between, on the adapter at hand.
 *
 * @module
 */

import type { Device } from "../gpu/device.ts";
import type { Recording } from "../gpu/recorder.ts";
import { type Choice, Graph } from "./graph.ts";
import { Program } from "./program.ts";

/** How one variant did. */
export interface VariantTime {
  readonly variant: string;
  /** Time of one run; null when it failed or computed something else than the first variant. */
  readonly milliseconds: number | null;
}

/** The outcome of one choice. */
export interface Tuned {
  readonly key: string;
  /** The fastest variant. */
  readonly winner: string;
  /** All variants, the one that is taken without a measurement first. */
  readonly times: readonly VariantTime[];
}

/** Milliseconds that one measurement keeps the GPU busy, well above the 10 ms that waiting takes. */
const BUSY_MS = 40;
/** A variant this much slower than the best is not measured again. */
const HOPELESS = 3;
/** Share of the largest number by which a variant's output may differ. */
const TOLERANCE = 1e-3;
/** Words at both ends of the output that are compared. */
const COMPARED_WORDS = 2 ** 16;

/**
 * Measures every choice, best of three each, and keeps the winners in `device.tuned`.
 *
 * A variant whose output differs from the first one's never wins, so a kernel that a driver miscompiles is left out.
 *
 * @param choices the choices of graphs that were recorded for `device`
 * @throws Error when even the first variant of a choice fails
 */
export async function tune(
  device: Device,
  choices: readonly Choice[],
  onTuned: (tuned: Tuned, done: number, total: number) => void = () => {},
): Promise<Tuned[]> {
  const results: Tuned[] = [];
  for (const choice of choices) {
    const tuned = await measure(device, choice);
    device.tuned.set(tuned.key, tuned.winner);
    results.push(tuned);
    onTuned(tuned, results.length, choices.length);
  }
  return results;
}

async function measure(device: Device, { key, variants, record }: Choice): Promise<Tuned> {
  const times: VariantTime[] = [];
  let expected: Float32Array | undefined;
  let best = Infinity;
  for (const variant of variants) {
    let milliseconds: number | null = null;
    try {
      const { output, time } = await runVariant(device, record, variant, best * HOPELESS);
      expected ??= output;
      if (agree(output, expected)) milliseconds = time;
    } catch (error) {
      if (!expected) throw error; // without the first variant there is nothing to compare with
    }
    times.push({ variant, milliseconds });
    best = Math.min(best, milliseconds ?? Infinity);
  }
  const winner = times.reduce((a, b) => (b.milliseconds ?? Infinity) < (a.milliseconds ?? Infinity) ? b : a);
  return { key, winner: winner.variant, times };
}

async function runVariant(
  device: Device,
  record: Choice["record"],
  variant: string,
  hopelessMs: number,
): Promise<{ output: Float32Array; time: number }> {
  const graph = new Graph(device);
  const tensor = record(graph, variant);
  const buffer = device.createBuffer("tuned output", tensor.sizeBytes);
  try {
    graph.place(tensor, { buffer, offsetBytes: 0, sizeBytes: buffer.size });
    using program = await Program.compile(device, graph, `trial of ${variant}`);
    await millisecondsOf(device, program.recording, 1); // the driver compiles at the first run
    // The wait of about 10 ms hides in a single run: submit more until it weighs little.
    let runs = 1, time = await millisecondsOf(device, program.recording, runs);
    while (runs * time < BUSY_MS && time - 10 < hopelessMs) {
      runs *= 4;
      time = await millisecondsOf(device, program.recording, runs);
    }
    for (let attempt = 0; attempt < 2 && time < hopelessMs; attempt++) {
      time = Math.min(time, await millisecondsOf(device, program.recording, runs));
    }
    const bytes = Math.min(tensor.sizeBytes, COMPARED_WORDS * 4);
    const head = await device.read(buffer, 0, bytes);
    const tail = await device.read(buffer, tensor.sizeBytes - bytes, bytes);
    const output = new Float32Array(bytes / 2);
    output.set(new Float32Array(head));
    output.set(new Float32Array(tail), bytes / 4);
    return { output, time };
  } finally {
    device.destroyBuffer(buffer);
  }
}

/** Milliseconds of one of `runs` runs in one submit. */
async function millisecondsOf(device: Device, recording: Recording, runs: number): Promise<number> {
  await device.finish();
  const startedAt = performance.now();
  device.submit(...Array<Recording>(runs).fill(recording));
  await device.finish();
  return (performance.now() - startedAt) / runs;
}

function agree(actual: Float32Array, expected: Float32Array): boolean {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return actual.every((value, at) => Math.abs(value - expected[at]) <= TOLERANCE * largest);
}
