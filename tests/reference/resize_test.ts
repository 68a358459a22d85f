import assert from "node:assert/strict";
import { dot, randomArray } from "./random_array.ts";
import { bilinear, gridResize, kernelResize, pseudoInverse, resizeSquare, transpose } from "./resize.ts";

const close = (actual: number, expected: number) =>
  assert.ok(
    Math.abs(actual - expected) < 1e-10 * Math.max(1, Math.abs(expected)),
    `${actual}, expected ${expected}`,
  );

Deno.test("a patch enlarged with its kernel resized keeps its inner product", () => {
  for (const [from, to] of [[4, 8], [8, 16], [3, 5], [4, 4]]) {
    const patch = randomArray(1, from * from), kernel = randomArray(2, from * from);
    const enlarged = resizeSquare(bilinear(from, to), patch),
      resized = resizeSquare(kernelResize(from, to), kernel);
    close(dot(enlarged, resized), dot(patch, kernel));
  }
});

Deno.test("the plainly resized kernel would not keep it", () => {
  const patch = randomArray(1, 16), kernel = randomArray(2, 16);
  const plain = dot(resizeSquare(bilinear(4, 8), patch), resizeSquare(bilinear(4, 8), kernel)) / 4;
  assert.ok(Math.abs(plain - dot(patch, kernel)) > 0.01);
});

Deno.test("the pseudo-inverse obeys A X A = A and equals the inverse of a square matrix", () => {
  const identity = resizeSquare(kernelResize(5, 5), randomArray(3, 25));
  randomArray(3, 25).forEach((value, at) => close(identity[at], value));
  const a = bilinear(6, 8), x = pseudoInverse(a), y = randomArray(4, 36);
  // A X A along both sides.
  const back = resizeSquare(a, resizeSquare(x, resizeSquare(a, y)));
  resizeSquare(a, y).forEach((value, at) => close(back[at], value));
});

Deno.test("resizes keep a constant, and interpolate by hand", () => {
  for (const [from, to] of [[4, 8], [8, 4], [8, 6], [3, 7]]) {
    for (const matrix of [bilinear(from, to), gridResize(from, to)]) {
      resizeSquare(matrix, new Float64Array(from * from).fill(2)).forEach((value) => close(value, 2));
    }
  }
  assert.deepEqual([...bilinear(2, 4).data], [1, 0, 0.75, 0.25, 0.25, 0.75, 0, 1]);
  assert.deepEqual([...bilinear(4, 2).data], [0.5, 0.5, 0, 0, 0, 0, 0.5, 0.5]);
  assert.deepEqual(gridResize(2, 4), bilinear(2, 4));
  [3 / 7, 3 / 7, 1 / 7, 0].forEach((value, at) => close(gridResize(4, 2).data[at], value));
  assert.deepEqual(transpose(transpose(bilinear(3, 5))), bilinear(3, 5));
});
