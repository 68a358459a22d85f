import assert from "node:assert/strict";
import { mixedRows } from "../../src/run/own_data.ts";

Deno.test("parts come by their weights, every pair at least once, short parts again", () => {
  // Parts of 4 and 2 pairs.
  const parts = [0, 1, 0, 0, 1, 0];
  assert.deepEqual([...mixedRows(parts, [2, 1])], [0, 2, 3, 5, 1, 4]);
  assert.deepEqual([...mixedRows(parts, [1, 1])], [0, 2, 3, 5, 1, 4, 1, 4]);
  assert.deepEqual([...mixedRows(parts, [0.5, 1])], [0, 2, 3, 5, 1, 4, 1, 4, 1, 4, 1, 4]);
  assert.deepEqual([...mixedRows(parts, [4, 1])], [0, 2, 3, 5, 0, 2, 3, 5, 1, 4]);
  assert.throws(() => mixedRows(parts, [1, 1, 1]), /Part 3 of the pool holds no pair/);
});
