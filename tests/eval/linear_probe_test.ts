import assert from "node:assert/strict";
import { fewShot } from "../../src/eval/few_shot.ts";
import { classify, fitLinearProbe } from "../../src/eval/linear_probe.ts";
import fixture from "../fixtures/linear_probe.json" with { type: "json" };
import { unitRows } from "./embeddings.ts";

Deno.test("a probe finds scikit-learn's weights, bias and classes", () => {
  const features = Float64Array.from(fixture.features), labels = Int32Array.from(fixture.labels);
  for (const { inverseRegularization, weights, bias, classes } of fixture.fits) {
    const probe = fitLinearProbe(features, labels, 4, { inverseRegularization, tolerance: 1e-10 });
    assert.ok(
      probe.gradient <= 1e-10 && probe.iterations < 1000,
      `${probe.gradient} after ${probe.iterations}`,
    );
    const distance = (a: Float64Array, b: readonly number[]) =>
      Math.max(...a.map((value, at) => Math.abs(value - b[at])));
    // scikit-learn stops where the value no longer falls, which leaves it within about 1e-6 of the minimum.
    assert.ok(
      distance(probe.weights, weights) < 2e-6,
      `weights differ by ${distance(probe.weights, weights)}`,
    );
    assert.ok(distance(probe.bias, bias) < 2e-6, `biases differ by ${distance(probe.bias, bias)}`);
    assert.deepEqual([...classify(probe, features)], classes);
  }
});

Deno.test("a probe refuses labels that are no class, rows that do not fit and NaN", () => {
  const rows = new Float32Array(6);
  assert.throws(() => fitLinearProbe(rows, Int32Array.of(0, 2), 2), /Label 2 of example 1 is no class/);
  assert.throws(() => fitLinearProbe(rows, new Int32Array(4), 2), /6 numbers are no rows of 4 labels/);
  assert.throws(() => fitLinearProbe(rows.with(4, NaN), new Int32Array(2), 2), /row 1 holds NaN/);
});

Deno.test("few-shot accuracy is high on separate classes, at chance without information, the same for a seed", () => {
  const width = 8,
    n = 90,
    noise = unitRows(1, n, width),
    labels = Int32Array.from({ length: n }, (_, i) => i % 3);
  const separate = noise.map((value, at) =>
    value / 3 + (at % width === labels[Math.floor(at / width)] ? 1 : 0)
  );
  const options = { shots: 5, seeds: [1, 2, 3] }, names = ["a", "b", "c"];
  const good = fewShot(separate, labels, names, options);
  assert.ok(good.mean > 0.95, `${good.mean}`);
  assert.deepEqual([good.accuracies.length, good.tested], [3, 75]);
  assert.deepEqual(fewShot(separate, labels, names, options), good);
  const chance = fewShot(noise, labels, names, options);
  assert.ok(Math.abs(chance.mean - 1 / 3) < 0.12, `${chance.mean}`);
  assert.ok(chance.deviation > 0, "each seed draws other examples");
  assert.throws(
    () => fewShot(noise, labels, names, { shots: 30, seeds: [1] }),
    /Class "a" has 30 examples, too few to fit to 30 .* choose at most 29 shots/,
  );
});
