/**
 * Holds the libraries' results and times against superbatch's.
 *
 * @module
 */

import type { Child } from "./child.ts";
import type { Prepared } from "./protocol.ts";
import { flops, type NamedWork } from "./work.ts";

/** Rounds in which every library is timed once; the best counts. */
const ROUNDS = 5;

/** Runs of one timing take about this long, so that the 10 ms of a wait weigh little. */
const TARGET_SECONDS = { kernel: 0.3, step: 1 };

/** What one library made of one work. */
export interface Entry {
  readonly library: string;
  /** Best seconds of one run; null when the library could not do it. */
  readonly seconds: number | null;
  /** Seconds of one run in every round. */
  readonly rounds: readonly number[];
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

/** Results differ: the times of what computes something else mean nothing. */
export class MismatchError extends Error {
  /** The error's kind. */
  override name = "MismatchError";
}

/**
 * Measures one work with several libraries, in turn.
 *
 * @param contestants the first is superbatch
 * @throws {MismatchError} when a library's result differs from superbatch's
 */
export async function measure(
  { name, work }: NamedWork,
  contestants: readonly Contestant[],
): Promise<Row> {
  const states = [];
  let expected: Prepared | undefined;
  for (const { child, tolerance, laterTolerance } of contestants) {
    const state = {
      child,
      error: null as string | null,
      rounds: [] as number[],
      runs: 1,
      differences: [null, null] as (number | null)[],
    };
    states.push(state);
    let prepared: Prepared;
    try {
      prepared = await child.prepare(work);
    } catch (error) {
      if (!expected) throw error;
      state.error = (error as Error).message;
      continue;
    }
    expected ??= prepared;
    state.differences = differences(prepared, expected);
    const [first, later] = state.differences;
    if (
      !(first! <= tolerance) ||
      (laterTolerance !== null && later !== null && !(later <= laterTolerance))
    ) {
      throw new MismatchError(
        `${child.name} computes something else in "${name}": it differs by ${
          state.differences.join(" and ")
        }, allowed ` +
          `${tolerance} and ${laterTolerance}. superbatch: ${JSON.stringify(expected)}; ${child.name}: ${
            JSON.stringify(prepared)
          }`,
      );
    }
    const target = TARGET_SECONDS[work.kind === "step" ? "step" : "kernel"];
    const guess = Math.min(200, Math.ceil(target / 2 / await child.time(1)));
    state.runs = Math.max(
      1,
      Math.min(5000, Math.round(guess * target / await child.time(guess))),
    );
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { child, error, rounds, runs } of states) {
      if (!error) rounds.push(await child.time(runs) / runs);
    }
  }
  for (const { child, error } of states) if (!error) await child.release();
  const operations = flops(work);
  return {
    name,
    kind: work.kind,
    entries: states.map(
      (
        { child, error, rounds, differences: [difference, laterDifference] },
      ) => {
        const seconds = rounds.length > 0 ? Math.min(...rounds) : null;
        const per = (amount: number | null) => amount !== null && seconds !== null ? amount / seconds : null;
        return {
          library: child.name,
          seconds,
          rounds,
          flopsPerSecond: per(operations),
          examplesPerSecond: per(work.kind === "step" ? work.batch : null),
          difference,
          laterDifference,
          error,
        };
      },
    ),
  };
}

function differences(actual: Prepared, expected: Prepared): (number | null)[] {
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
