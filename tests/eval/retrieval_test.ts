import assert from "node:assert/strict";
import type { RetrievalScore } from "../../src/eval/evaluation.ts";
import { retrieval } from "../../src/eval/retrieval.ts";
import { permutation, Stream } from "../../src/random/philox.ts";
import { reorder, unitRows } from "./embeddings.ts";

const close = (a: number, b: number, tolerance: number, name: string) =>
  assert.ok(Math.abs(a - b) <= tolerance, `${name}: ${a}, expected ${b} ± ${tolerance}`);

const harmonic = (n: number) => Array.from({ length: n }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);

/** The expected score of a random order over n answers. */
const chance = (n: number): RetrievalScore => ({ r1: 1 / n, r5: 5 / n, mrr: harmonic(n) / n, meanRank: 0.5 });

function assertScore(actual: RetrievalScore, expected: RetrievalScore, tolerance = 1e-12): void {
  for (const key of ["r1", "r5", "mrr", "meanRank"] as const) {
    close(actual[key], expected[key], tolerance, key);
  }
}

/** Ranks by sorting a dense score matrix; right where no two scores are equal. */
function bySorting(
  image: Float32Array,
  text: Float32Array,
  n: number,
  width: number,
  concept: Int32Array,
): RetrievalScore {
  const total = { r1: 0, r5: 0, mrr: 0, meanRank: 0 };
  for (let i = 0; i < n; i++) {
    const score = (j: number) =>
      image.subarray(i * width, (i + 1) * width).reduce((s, v, d) => s + v * text[j * width + d], 0);
    const order = Array.from({ length: n }, (_, j) => j).sort((a, b) => score(b) - score(a));
    const best = order.findIndex((j) => concept[j] === concept[i]);
    const wrong = order.filter((j) => concept[j] !== concept[i]).length;
    total.r1 += Number(best < 1) / n;
    total.r5 += Number(best < 5) / n;
    total.mrr += 1 / (best + 1) / n;
    total.meanRank += best / wrong / n;
  }
  return total;
}

Deno.test("equal embeddings are retrieved perfectly", () => {
  const n = 65, width = 17, rows = unitRows(1, n, width);
  const perfect = { r1: 1, r5: 1, mrr: 1, meanRank: 0 };
  assert.deepEqual(retrieval(rows, rows, n, width), { imageToText: perfect, textToImage: perfect });
});

Deno.test("scores agree with sorting, both ways, with and without concepts", () => {
  for (const [n, width] of [[2, 3], [7, 1], [66, 5], [131, 8]]) {
    const image = unitRows(2, n, width).map((v, i) => v * (1 + 0.1 * Math.sin(i)));
    const text = unitRows(3, n, width).map((v, i) => v + image[i]);
    for (const classes of [n, Math.ceil(n / 3)]) {
      const concept = Int32Array.from({ length: n }, (_, i) => i % classes);
      if (classes === 1) continue;
      const actual = retrieval(image, text, n, width, { concept });
      assertScore(actual.imageToText, bySorting(image, text, n, width, concept));
      assertScore(actual.textToImage, bySorting(text, image, n, width, concept));
      if (classes === n) assert.deepEqual(retrieval(image, text, n, width), actual);
    }
  }
});

Deno.test("constant embeddings score exactly chance, not 1", () => {
  const n = 30, width = 4, constant = new Float32Array(n * width).fill(0.5);
  const { imageToText, textToImage } = retrieval(constant, constant, n, width);
  assertScore(imageToText, chance(n));
  assertScore(textToImage, chance(n));
  const zero = new Float32Array(n * width);
  assertScore(retrieval(zero, unitRows(4, n, width), n, width).imageToText, chance(n));
});

Deno.test("embeddings in a few constant groups score no better than the groups allow", () => {
  const n = 40, width = 8, groups = 4, group = unitRows(5, groups, width);
  const rows = new Float32Array(n * width);
  for (let i = 0; i < n; i++) {
    rows.set(group.subarray((i % groups) * width, (i % groups + 1) * width), i * width);
  }
  const { imageToText } = retrieval(rows, rows, n, width);
  close(imageToText.r1, groups / n, 1e-12, "r1");
  close(imageToText.r5, 5 * groups / n, 1e-12, "r5");
});

Deno.test("shuffled captions and unrelated embeddings score chance", () => {
  const n = 500, width = 64, rows = unitRows(6, n, width);
  const shuffled = reorder(rows, width, permutation(1, Stream.shuffle, 0, n));
  for (const text of [shuffled, unitRows(7, n, width)]) {
    for (const score of Object.values(retrieval(rows, text, n, width))) {
      close(score.r1, 1 / n, 0.008, "r1");
      close(score.r5, 5 / n, 0.02, "r5");
      close(score.meanRank, 0.5, 0.05, "meanRank");
    }
  }
});

Deno.test("a match that always loses scores 0", () => {
  const image = Float32Array.of(1, 0, -1, 0), text = Float32Array.of(-1, 0, 1, 0);
  const { imageToText } = retrieval(image, text, 2, 2);
  assert.deepEqual(imageToText, { r1: 0, r5: 1, mrr: 0.5, meanRank: 1 });
});

Deno.test("one pair, and one concept only, have no wrong answer", () => {
  const perfect = { r1: 1, r5: 1, mrr: 1, meanRank: 0 };
  assert.deepEqual(retrieval(Float32Array.of(1), Float32Array.of(-1), 1, 1).imageToText, perfect);
  const concept = new Int32Array(5), image = unitRows(8, 5, 3);
  assert.deepEqual(retrieval(image, unitRows(9, 5, 3), 5, 3, { concept }).textToImage, perfect);
});

Deno.test("NaN, wrong sizes and empty sets are refused", () => {
  const rows = unitRows(1, 3, 2), bad = rows.slice();
  bad[5] = NaN;
  assert.throws(() => retrieval(bad, rows, 3, 2), /"image": row 2 holds NaN/);
  assert.throws(() => retrieval(rows, rows.map(() => Infinity), 3, 2), /"text": row 0 holds Infinity/);
  assert.throws(() => retrieval(rows, rows, 3, 3), /6 numbers, expected 3 rows of 3/);
  assert.throws(() => retrieval(new Float32Array(), new Float32Array(), 0, 2), /0 pairs/);
  assert.throws(() => retrieval(rows, rows, 3, 2, { concept: new Int32Array(2) }), /2 entries, expected 3/);
});
