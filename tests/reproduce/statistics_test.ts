import assert from "node:assert/strict";
import { bootstrap, conjunction, crossing, verdictAbove } from "../../src/reproduce/statistics.ts";

Deno.test("an interval holds the mean and shrinks with the number of values", () => {
  const few = bootstrap([1, 2, 3]), many = bootstrap(Array.from({ length: 300 }, (_, i) => 1 + i % 3));
  for (const { mean, low, high } of [few, many]) {
    assert.equal(mean, 2);
    assert.ok(low < 2 && high > 2);
  }
  assert.deepEqual([few.low, few.high], [1, 3]);
  // A standard error of √(2/3) / √300 = 0.047.
  assert.ok(Math.abs(many.high - many.low - 2 * 1.96 * 0.0471) < 0.01, `${many.high - many.low}`);
  assert.deepEqual(bootstrap([1, 2, 3]), few);
  assert.deepEqual(bootstrap([4]), { mean: 4, low: 4, high: 4, count: 1 });
});

Deno.test("a mean of nothing, or of what is not finite, is refused", () => {
  assert.throws(() => bootstrap([]), { name: "RangeError", message: /at least one seed/ });
  assert.throws(() => bootstrap([1, NaN]), { name: "RangeError", message: "Cannot average NaN" });
});

Deno.test("a verdict follows where the interval lies", () => {
  assert.equal(verdictAbove(bootstrap([1, 2, 3]), 0), "reproduced");
  assert.equal(verdictAbove(bootstrap([1, 2, 3]), 2), "inconclusive");
  assert.equal(verdictAbove(bootstrap([1, 2, 3]), 4), "not reproduced");
  assert.equal(verdictAbove(bootstrap([0, 0, 0]), 0), "not reproduced");
  assert.equal(verdictAbove(bootstrap([5]), 0), "inconclusive", "one seed says nothing");
  assert.equal(conjunction(["reproduced", "reproduced"]), "reproduced");
  assert.equal(conjunction(["reproduced", "inconclusive"]), "inconclusive");
  assert.equal(conjunction(["inconclusive", "not reproduced"]), "not reproduced");
});

Deno.test("a curve reaches a level between its points, from the origin on", () => {
  const curve = [{ x: 10, y: 1 }, { x: 20, y: 3 }, { x: 30, y: 2 }];
  assert.equal(crossing(curve, 2), 15);
  assert.equal(crossing(curve, 0.5), 5);
  assert.equal(crossing(curve, 3), 20);
  assert.equal(crossing(curve, 3.1), null);
  assert.equal(crossing([], 1), null);
  assert.equal(crossing([{ x: 5, y: 0 }], 0), 5);
});
