/**
 * What a handful of seeds says: means with bootstrap intervals, and when a curve reaches a level.
 *
 * @module
 */

import { randomWord, Stream } from "../random/philox.ts";

/** A mean over seeds with its 95 % interval. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Seeds. */
  readonly count: number;
}

/** What the evidence says about a claim. */
export type Verdict = "reproduced" | "not reproduced" | "inconclusive";

const RESAMPLES = 10_000, COVERAGE = 0.95;

/**
 * The mean with its percentile bootstrap interval (Efron 1979), 10,000 resamples; the same values give the same interval.
 *
 * With three seeds the interval hardly reaches beyond the lowest and the highest: it says whether the seeds agree, and
 * not how rare a fourth that disagrees would be.
 *
 * @throws RangeError when there is no value, or one is not finite
 */
export function bootstrap(values: readonly number[]): Interval {
  const count = values.length;
  if (count === 0) throw new RangeError("Cannot average no values: run at least one seed");
  const stray = values.find((value) => !Number.isFinite(value));
  if (stray !== undefined) throw new RangeError(`Cannot average ${stray}`);
  const means = Float64Array.from({ length: RESAMPLES }, (_, resample) => {
    let sum = 0;
    for (let draw = 0; draw < count; draw++) {
      sum += values[Math.floor(randomWord(0, Stream.data, resample, draw) / 2 ** 32 * count)];
    }
    return sum / count;
  }).sort();
  const at = (share: number) => means[Math.min(RESAMPLES - 1, Math.floor(share * RESAMPLES))];
  return {
    mean: values.reduce((sum, value) => sum + value, 0) / count,
    low: at((1 - COVERAGE) / 2),
    high: at((1 + COVERAGE) / 2),
    count,
  };
}

/**
 * Whether a quantity is above a threshold: the interval lies above it, below it, or across it. One seed says nothing.
 */
export function verdictAbove({ low, high, count }: Interval, threshold: number): Verdict {
  if (count < 2) return "inconclusive";
  if (low > threshold) return "reproduced";
  return high <= threshold ? "not reproduced" : "inconclusive";
}

/** The verdict on a claim of several parts: it holds when all do, and fails when one does. */
export function conjunction(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("not reproduced")) return "not reproduced";
  return verdicts.every((verdict) => verdict === "reproduced") ? "reproduced" : "inconclusive";
}

/** A point of a curve. */
export interface CurvePoint {
  readonly x: number;
  readonly y: number;
}

/**
 * The x at which a curve first reaches a level, on straight lines between its points from (0, 0); null when it never does.
 *
 * @param points in the order of x
 */
export function crossing(points: readonly CurvePoint[], level: number): number | null {
  let last: CurvePoint = { x: 0, y: 0 };
  for (const point of points) {
    if (point.y >= level) {
      return point.y === last.y
        ? point.x
        : last.x + (point.x - last.x) * (level - last.y) / (point.y - last.y);
    }
    last = point;
  }
  return null;
}
