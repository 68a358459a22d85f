/** Offline curation on embeddings whose answer is known. */
import assert from "node:assert/strict";
import { curationNames, curations } from "../../src/curation/curate.ts";
import { highest, referenceScores } from "../../src/curation/reference_score.ts";
import { semanticDeduplication } from "../../src/curation/semantic_deduplication.ts";
import { randomArray } from "../reference/random_array.ts";

/** Unit rows. */
function unit(rows: ArrayLike<number>, width: number): Float32Array {
  const out = Float32Array.from(rows);
  for (let at = 0; at < out.length; at += width) {
    const length = Math.hypot(...out.subarray(at, at + width));
    for (let d = 0; d < width; d++) out[at + d] /= length;
  }
  return out;
}

Deno.test("a pair's score is the logarithm of the probability that it is a pair", () => {
  const image = Float32Array.of(1, 0, 1, 0, 1, 0), text = Float32Array.of(1, 0, 0, 1, -1, 0);
  const scores = referenceScores({ image, text, width: 2, logitScale: 400, logitBias: -5 });
  for (const [at, logit] of [395, -5, -405].entries()) {
    // −log(1 + e^−x), which is x itself where e^−x overflows.
    const expected = logit < -100 ? logit : -Math.log1p(Math.exp(-logit));
    assert.ok(
      Math.abs(scores[at] - expected) <= 1e-6 * Math.abs(expected) + 1e-30,
      `${scores[at]}, expected ${expected}`,
    );
  }
});

Deno.test("the highest are kept, of equals the first, in the pool's order", () => {
  assert.deepEqual([...highest(Float32Array.of(1, 5, 3, 5, 4), 3)], [1, 3, 4]);
  assert.deepEqual([...highest(Float32Array.of(2, 2, 2), 2)], [0, 1]);
  for (const count of [0, 4, 1.5]) {
    assert.throws(() => highest(new Float32Array(3), count), {
      name: "RangeError",
      message: `Cannot keep ${count} of 3 pairs`,
    });
  }
});

Deno.test("of near duplicates one is kept, whatever the clusters", () => {
  const width = 8, originals = 40, copies = 4;
  const base = randomArray(1, originals * width), noise = randomArray(2, originals * copies * width);
  const rows = unit(
    Float64Array.from(
      { length: originals * copies * width },
      (_, at) => base[Math.floor(at / copies / width) * width + at % width] + 1e-3 * noise[at],
    ),
    width,
  );
  for (const clusters of [1, 5, undefined]) {
    const { kept, threshold } = semanticDeduplication(rows, width, { count: originals, clusters, seed: 1 });
    assert.deepEqual(
      [...kept].map((row) => Math.floor(row / copies)),
      Array.from({ length: originals }, (_, at) => at),
      "one of each",
    );
    assert.ok(threshold > 0.99);
  }
  const all = semanticDeduplication(rows, width, { count: originals * copies, seed: 1 });
  assert.deepEqual([...all.kept], Array.from({ length: originals * copies }, (_, at) => at));
});

Deno.test("the one that is farthest from its centroid stays", () => {
  // One cluster around the first axis; rows 0 and 1 are alike, 1 is farther out.
  const rows = unit([1, 0.1, 0, 1, 0.2, 0, 1, -0.3, 0.5, 1, 0, -0.6], 3);
  const { kept } = semanticDeduplication(rows, 3, { count: 3, clusters: 1, seed: 1 });
  assert.deepEqual([...kept], [1, 2, 3]);
});

Deno.test("every method keeps as many as it is asked for, and the same with the same seed", () => {
  const width = 4, n = 300;
  const embeddings = {
    image: unit(randomArray(3, n * width), width),
    text: unit(randomArray(4, n * width), width),
    width,
    logitScale: 10,
    logitBias: -5,
  };
  for (const name of curationNames) {
    for (const count of [1, 30, 300]) {
      const kept = curations[name](embeddings, count, 7);
      assert.equal(new Set(kept).size, count);
      assert.deepEqual(kept, kept.toSorted());
      assert.deepEqual(curations[name](embeddings, count, 7), kept);
    }
  }
  for (const clusters of [0, 301, 1.5]) {
    assert.throws(() => semanticDeduplication(embeddings.image, width, { count: 3, clusters, seed: 1 }), {
      name: "RangeError",
      message: /clusters of 300 pairs: choose 1 to 300/,
    });
  }
});
