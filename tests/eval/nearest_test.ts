import assert from "node:assert/strict";
import { nearest } from "../../src/eval/nearest.ts";
import { unitRows } from "./embeddings.ts";

Deno.test("the nearest rows come best first, the row itself at the head", () => {
  const n = 33, width = 6, matrix = unitRows(1, n, width);
  const query = matrix.slice(20 * width, 21 * width);
  const found = nearest(query, matrix, n, width, 5);
  assert.equal(found.length, 5);
  assert.equal(found[0].index, 20);
  assert.ok(Math.abs(found[0].score - 1) < 1e-6);
  const all = nearest(query, matrix, n, width, 1000);
  assert.equal(all.length, n);
  assert.deepEqual(all.slice(0, 5), found);
  for (let i = 1; i < n; i++) assert.ok(all[i - 1].score >= all[i].score);
});

Deno.test("equal scores keep the order of the rows", () => {
  const matrix = new Float32Array(10 * 2).fill(1);
  assert.deepEqual(nearest(Float32Array.of(1, 1), matrix, 10, 2, 3).map(({ index }) => index), [0, 1, 2]);
});

Deno.test("bad k, sizes and NaN are refused", () => {
  const matrix = unitRows(1, 3, 2), query = matrix.slice(0, 2);
  assert.throws(() => nearest(query, matrix, 3, 2, 0), /the 0 nearest/);
  assert.throws(() => nearest(matrix, matrix, 3, 2, 1), /"query"/);
  assert.throws(() => nearest(query.fill(NaN), matrix, 3, 2, 1), /row 0 holds NaN/);
});
