/**
 * How a report prints what was measured.
 *
 * @module
 */

import type { Interval } from "./statistics.ts";

/** Three digits, in plain notation where that is short. */
function digits(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  return size < 1e-3 ? value.toExponential(1) : `${Number(value.toPrecision(3))}`;
}

/** A number, or a mean with its interval. */
export function format(value: number | Interval): string {
  if (typeof value === "number") return digits(value);
  const { mean, low, high, count } = value;
  return count === 1 ? digits(mean) : `${digits(mean)} [${digits(low)}, ${digits(high)}]`;
}

/** A share in per cent. */
export function share(value: number): string {
  return `${Number((100 * value).toPrecision(3))} %`;
}
