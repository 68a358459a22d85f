/**
 * The one rule by which f32 results are held against float64 references.
 *
 * @module
 */

import assert from "node:assert/strict";

/** Spacing of f32 at 1. */
const EPSILON = 2 ** -23;
/** Room for a few roundings a term, and for exp and division, which WGSL lets be off by several units. */
const FACTOR = 4;
/** Spacing of f16 at 1: a number that is stored as one is off by a unit at most, however the adapter rounds. */
const HALF_EPSILON = 2 ** -10;
/** What is zero to f32 in sums of numbers around 1; near-cancelling results have no relative precision. */
const ABSOLUTE = 1e-7;

/** What the rule needs to know of a result. */
export interface Tolerance {
  /** K: how many terms each element sums. Errors of random sign grow with its square root. */
  readonly reduction: number;
  /** What to call the tensor in the failure. */
  readonly name: string;
  /** Size of the numbers that are summed; the largest |expected| unless told. */
  readonly scale?: number;
  /** How many of the terms were computed and stored in half precision; 1 for a result that is itself. 0 unless told. */
  readonly halves?: number;
}

/**
 * Asserts |actual − expected| ≤ 1e-7 + (4 · ε · √K + η · √H) · scale for every element, ε = 2⁻²³, η = 2⁻¹⁰, H numbers in
 * half precision. NaN never passes.
 *
 * @returns the largest share of the budget that was used, 0 … 1
 * @throws AssertionError with the worst index, both values and the share of the budget
 */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): number {
  const { name, reduction } = tolerance;
  assert.equal(
    actual.length,
    expected.length,
    `${name}: ${actual.length} elements, expected ${expected.length}`,
  );
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  const scale = tolerance.scale ?? largest;
  const share16 = HALF_EPSILON * Math.sqrt(tolerance.halves ?? 0);
  const budget = ABSOLUTE + (FACTOR * EPSILON * Math.sqrt(reduction) + share16) * scale;
  assert.ok(Number.isFinite(budget), `${name}: the expected values or the scale are not finite`);
  let worst = -1, share = 0, failures = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]) / budget;
    const used = Number.isNaN(error) ? Infinity : error;
    if (used > 1) failures++;
    if (used > share) [worst, share] = [i, used];
  }
  if (failures > 0) {
    assert.fail(
      `${name}: ${failures} of ${expected.length} elements are off; worst at ${worst}: ${actual[worst]}, ` +
        `expected ${expected[worst]}, ${share.toPrecision(3)} times the budget of ${budget.toExponential(2)}`,
    );
  }
  return share;
}

/** ‖actual − expected‖ / ‖expected‖, NaN when a value is. For whole-model gradients, where no reduction length is known. */
export function relativeNorm(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(actual.length, expected.length);
  let difference = 0, size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  return Math.sqrt(difference / size);
}
