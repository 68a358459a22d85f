/**
 * Holds the libraries' results and times against superbatch's.
 *
 * @module
 */

import type { Child } from "./child.ts";
import type { Prepared, Timing } from "./protocol.ts";
import { flops, type NamedWork, type Work } from "./work.ts";

/**
 * Rounds in which every library is timed once; the best counts. Many short ones, so that each library meets a quiet
 * moment of a shared machine; fewer where one run takes long.
 */
const ROUNDS = 10, LONG_ROUNDS = 3, LONG_SECONDS = 1;

/** Runs of one timing take about this long, so that the 10 ms of a wait weigh little. */
const TARGET_SECONDS = { kernel: 0.2, step: 0.5 };

/** What one library made of one work. */
export interface Entry {
  readonly library: string;
  /** Best seconds of one run; null when the library could not do it. */
  readonly seconds: number | null;
  /** Seconds of one run in every round. */
  readonly rounds: readonly number[];
  /** Compute dispatches of one run. */
  readonly dispatches: number | null;
  /** Submits of one run. */
  readonly submits: number | null;
  /** Floating-point operations a second, where they are counted. */
  readonly flopsPerSecond: number | null;
  /** Of a step: examples a second. */
  readonly examplesPerSecond: number | null;
  /** How far its result is from superbatch's, relative; of a step, its first loss's. */
  readonly difference: number | null;
  /** Of a step: how far the loss is after the checked updates, relative. */
  readonly laterDifference: number | null;
  /** Why there is no time. */
  readonly error: string | null;
  /** How the library ran it, where that is not always the same. */
  readonly note: string | null;
}

/** A row of the table. */
export interface Row {
  readonly name: string;
  readonly kind: string;
  readonly entries: readonly Entry[];
}

/** A library with what it is allowed to differ by. */
export interface Contestant {
  readonly child: Child;
  /** Largest relative difference of a result, and of a step's first loss. */
  readonly tolerance: number;
  /** Largest relative difference of the loss after ten updates; null when it is not held to one. */
  readonly laterTolerance: number | null;
}

/** A library in the middle of a work. */
interface State {
  readonly child: Child;
  error: string | null;
  note: string | null;
  readonly times: Timing[];
  /** Runs of one timing. */
  runs: number;
  /** See {@link Entry.difference} and {@link Entry.laterDifference}. */
  differences: readonly [number | null, number | null];
}

/**
 * Measures one work with several libraries. One whose result differs from superbatch's has no time: what computes
 * something else cannot be compared.
 *
 * @param contestants the first is superbatch
 * @param together whether all hold their memory at once and take turns, so that what slows the machine slows them all;
 * else one after the other
 */
export async function measure(
  { name, work }: NamedWork,
  contestants: readonly Contestant[],
  together = true,
): Promise<Row> {
  const states: State[] = [];
  const target = TARGET_SECONDS[work.kind === "step" ? "step" : "kernel"];
  let expected: Prepared | undefined, long = false;
  const timeRounds = async (timed: readonly State[]) => {
    const running = timed.filter(({ error }) => !error);
    for (let round = 0; round < (long ? LONG_ROUNDS : ROUNDS); round++) {
      for (const { child, times, runs } of running) times.push(await child.time(runs));
    }
    for (const { child } of running) await child.release();
  };
  for (const contestant of contestants) {
    const { child } = contestant;
    const state: State = { child, error: null, note: null, times: [], runs: 1, differences: [null, null] };
    states.push(state);
    if (states[0].error) { // there is nothing to compare with
      state.error = "superbatch did not run";
      continue;
    }
    let prepared: Prepared;
    try {
      prepared = await child.prepare(work);
    } catch (error) {
      state.error = (error as Error).message;
      continue;
    }
    expected ??= prepared;
    state.note = prepared.note ?? null;
    state.differences = differences(prepared, expected);
    state.error = mismatch(contestant, state.differences);
    if (state.error) {
      await child.release();
      continue;
    }
    const once = (await child.time(1)).seconds;
    long ||= once > LONG_SECONDS;
    if (once <= target) {
      const guess = Math.min(200, Math.ceil(target / 2 / once));
      state.runs = Math.max(
        1,
        Math.min(5000, Math.round(guess * target / (await child.time(guess)).seconds)),
      );
    }
    if (!together) await timeRounds([state]);
  }
  if (together) await timeRounds(states);
  return { name, kind: work.kind, entries: states.map((state) => entry(work, state)) };
}

/** What is wrong when the differences are larger than allowed, or no numbers; else null. */
function mismatch(
  { tolerance, laterTolerance }: Contestant,
  [first, later]: State["differences"],
): string | null {
  const within = (difference: number | null, limit: number | null) =>
    difference === null || limit === null || difference <= limit;
  if (within(first, tolerance) && within(later, laterTolerance)) return null;
  return `computes something else than superbatch: relative differences ${first} and ${later}, ` +
    `allowed ${tolerance} and ${laterTolerance}`;
}

function entry(work: Work, { child, error, note, times, runs, differences }: State): Entry {
  const rounds = times.map(({ seconds }) => seconds / runs);
  const seconds = rounds.length > 0 ? Math.min(...rounds) : null;
  const rate = (amount: number | null) => amount !== null && seconds !== null ? amount / seconds : null;
  const perRun = (total: number | null | undefined) =>
    total === null || total === undefined ? null : total / runs;
  return {
    library: child.name,
    seconds,
    rounds,
    dispatches: perRun(times[0]?.dispatches),
    submits: perRun(times[0]?.submits),
    flopsPerSecond: rate(flops(work)),
    examplesPerSecond: rate(work.kind === "step" ? work.batch : null),
    difference: differences[0],
    laterDifference: differences[1],
    error,
    note,
  };
}

function differences(actual: Prepared, expected: Prepared): State["differences"] {
  if (expected.digest) {
    const { projection, norm } = expected.digest, got = actual.digest!;
    return [
      Math.max(
        Math.abs(got.projection - projection),
        Math.abs(got.norm - norm),
      ) / norm,
      null,
    ];
  }
  const relative = (index: number) =>
    Math.abs(actual.losses!.at(index)! - expected.losses!.at(index)!) /
    Math.abs(expected.losses!.at(index)!);
  return [relative(0), relative(-1)];
}
