/**
 * Gradients against central differences, in float64.
 *
 * @module
 */

import assert from "node:assert/strict";

const STEP = 1e-5;

/** An input of a function and the gradient that is claimed for it. */
export interface Claim {
  readonly value: Float64Array;
  readonly gradient: Float64Array;
}

/**
 * Asserts that each claimed gradient equals (f(x + h) − f(x − h)) / 2h, h = 1e-5, to `tolerance` of the tensor's
 * largest gradient (of 1e-3 where all are smaller). `f` must read the very arrays in `claims`.
 *
 * @throws AssertionError naming the input, the element and both values
 */
export function checkGradients(f: () => number, claims: Record<string, Claim>, tolerance = 1e-6): void {
  for (const [name, { value, gradient }] of Object.entries(claims)) {
    assert.equal(gradient.length, value.length, `gradient of ${name}: ${gradient.length} elements`);
    const numeric = value.map((x, i) => {
      value[i] = x + STEP;
      const above = f();
      value[i] = x - STEP;
      const below = f();
      value[i] = x;
      return (above - below) / (2 * STEP);
    });
    const scale = numeric.reduce((largest, g) => Math.max(largest, Math.abs(g)), 1e-3);
    numeric.forEach((g, i) => {
      const error = Math.abs(gradient[i] - g) / scale;
      assert.ok(
        error < tolerance,
        `gradient of ${name}[${i}]: ${gradient[i]}, by differences ${g} (error ${error})`,
      );
    });
  }
}
