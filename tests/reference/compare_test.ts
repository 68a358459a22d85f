import assert from "node:assert/strict";
import { assertClose, relativeNorm } from "./compare.ts";
import { matmul } from "./matmul.ts";
import { randomArray } from "./random_array.ts";

const K = 256, size = { m: 5, n: 7, k: K };
const a = randomArray(1, 5 * K).map(Math.fround), b = randomArray(2, 7 * K).map(Math.fround);
const expected = matmul("NT", a, b, size);

/** The same product with every operation rounded to f32. */
const single = Float32Array.from(expected, (_, at) => {
  const i = Math.floor(at / 7), j = at % 7;
  let sum = 0;
  for (let k = 0; k < K; k++) sum = Math.fround(sum + Math.fround(a[i * K + k] * b[j * K + k]));
  return sum;
});
const rule = { reduction: K, name: "product" };

Deno.test("an f32 product passes with room to spare", () => {
  const share = assertClose(single, expected, rule);
  assert.ok(share > 0 && share < 0.5, `share of the budget: ${share}`);
});

Deno.test("a perturbed result fails and is described", () => {
  const perturbed = single.slice();
  perturbed[23] += 1e-3;
  assert.throws(() => assertClose(perturbed, expected, rule), (error: Error) => {
    assert.match(
      error.message,
      /product: 1 of 35 elements are off; worst at 23: .*expected .*times the budget/,
    );
    assert.ok(error.message.includes(String(perturbed[23])) && error.message.includes(String(expected[23])));
    return true;
  });
});

Deno.test("one wrong term, a wrong sign, a shift, zeros, NaN, ∞ and a wrong length fail", () => {
  const wrongs: ArrayLike<number>[] = [
    single.map((value, at) => at === 4 ? value - a[3] * b[4 * K + 3] : value),
    single.map((value) => -value),
    single.map((_, at) => single[(at + 1) % 35]),
    new Float32Array(35),
    single.map((value, at) => at === 34 ? NaN : value),
    single.map((value, at) => at === 0 ? Infinity : value),
    single.slice(1),
  ];
  for (const wrong of wrongs) assert.throws(() => assertClose(wrong, expected, rule), assert.AssertionError);
  assert.throws(() => assertClose(single, expected.map(() => NaN), rule), assert.AssertionError);
  assert.throws(() => assertClose(single, expected.map(() => Infinity), rule), assert.AssertionError);
});

Deno.test("the relative norm of a perturbation is its size", () => {
  assert.ok(Math.abs(relativeNorm(expected.map((value) => value * 1.01), expected) - 0.01) < 1e-12);
  assert.ok(Number.isNaN(relativeNorm([NaN], [1])));
});
