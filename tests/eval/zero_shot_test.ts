import assert from "node:assert/strict";
import { promptEnsemble, zeroShot } from "../../src/eval/zero_shot.ts";
import { Stream, uniform } from "../../src/random/philox.ts";
import { unitRows } from "./embeddings.ts";

const randomLabels = (n: number, classes: number) =>
  Int32Array.from({ length: n }, (_, i) => Math.floor(uniform(3, Stream.data, 0, i) * classes));

Deno.test("pictures that equal their class are classified perfectly, and with wrong labels never", () => {
  const classes = 13, width = 7, embeddings = unitRows(1, classes, width), labels = randomLabels(70, classes);
  const image = new Float32Array(70 * width);
  labels.forEach((label, i) => image.set(embeddings.subarray(label * width, (label + 1) * width), i * width));
  assert.deepEqual(zeroShot(image, labels, embeddings), { top1: 1, top5: 1 });
  const wrong = labels.map((label) => (label + 1) % classes);
  assert.equal(zeroShot(image, wrong, embeddings).top1, 0);
});

Deno.test("constant pictures, constant classes and unrelated embeddings score chance", () => {
  const n = 600, classes = 20, width = 16, labels = randomLabels(n, classes);
  const embeddings = unitRows(2, classes, width);
  const constant = new Float32Array(classes * width).fill(0.25);
  const flat = zeroShot(unitRows(3, n, width), labels, constant);
  assert.ok(Math.abs(flat.top1 - 1 / classes) < 1e-12 && Math.abs(flat.top5 - 5 / classes) < 1e-12);
  const random = zeroShot(unitRows(4, n, width), labels, embeddings);
  assert.ok(
    Math.abs(random.top1 - 0.05) < 0.03 && Math.abs(random.top5 - 0.25) < 0.06,
    JSON.stringify(random),
  );
});

Deno.test("the fifth best counts for top 5, the sixth does not", () => {
  const embeddings = Float32Array.of(6, 5, 4, 3, 2, 1); // [6, 1]
  const result = (label: number) => zeroShot(Float32Array.of(1), Int32Array.of(label), embeddings);
  assert.deepEqual([0, 4, 5].map(result), [{ top1: 1, top5: 1 }, { top1: 0, top5: 1 }, { top1: 0, top5: 0 }]);
});

Deno.test("bad labels and sizes are refused", () => {
  const image = unitRows(1, 3, 2), classes = unitRows(2, 4, 2);
  assert.throws(() => zeroShot(image, Int32Array.of(0, 4, 1), classes), /Label 4 of picture 1 is no class/);
  assert.throws(() => zeroShot(image, Int32Array.of(0, -1, 1), classes), /Label -1/);
  assert.throws(() => zeroShot(image, new Int32Array(4), classes), /"image"/);
  assert.throws(
    () => zeroShot(image, new Int32Array(3), new Float32Array(7)),
    /"class embeddings": it has 7/,
  );
  assert.throws(() => zeroShot(image, new Int32Array(), classes), /0 pictures/);
  assert.throws(() => zeroShot(image.fill(NaN), new Int32Array(3), classes), /NaN/);
});

Deno.test("a prompt ensemble is the unit mean of each class's prompts", () => {
  const prompts = Float32Array.of(1, 0, 0, 1, /* class 2 */ 0, -1, 0, -1); // [2·2, 2]
  const half = Math.fround(Math.SQRT1_2);
  const means = promptEnsemble(prompts, 2, 2);
  [half, half, 0, -1].forEach((value, i) => assert.ok(Math.abs(means[i] - value) < 1e-6));
  assert.throws(
    () => promptEnsemble(prompts, 3, 2),
    /8 numbers: expected a multiple of 3 prompts of width 2/,
  );
});
