import assert from "node:assert/strict";
import fc from "fast-check";
import { Stream, uniform } from "../../src/random/philox.ts";
import { sigmoidLoss } from "./contrastive_loss.ts";
import {
  batchLearnability,
  chunkSizes,
  conditionalScores,
  type Draw,
  learnability,
  pairLosses,
  type ScoredEmbeddings,
  selectJointly,
} from "./joint_selection.ts";
import { l2Normalize } from "./l2_normalize.ts";
import { randomArray } from "./random_array.ts";

/** Below this a p-value would be one in 100,000: the 1 − 1e-5 quantile of χ² with 19 degrees of freedom. */
const CHI_SQUARE_LIMIT = 57.4;
const DRAWS = 20_000;

const greedy = () => 0;
const gumbel = (seed: number) => (chunk: number, example: number) =>
  -Math.log(-Math.log(uniform(seed, Stream.select, chunk, example)));

function embeddings(seed: number, examples: number, width: number, scale = 10): ScoredEmbeddings {
  const rows = (key: number) => l2Normalize(randomArray(key, examples * width), width);
  return { image: rows(2 * seed), text: rows(2 * seed + 1), scale, bias: -3 };
}

/** χ² of the ordered pairs that 20,000 draws of two of five give, against p(i) · p(j | i). */
function chiSquareOfPairs(
  scores: Float64Array,
  draw: Draw,
  first: Float64Array,
  second: (i: number) => Float64Array,
) {
  const counts = new Map<string, number>();
  for (let seed = 0; seed < DRAWS; seed++) {
    const pair = selectJointly(scores, 5, draw, gumbel(seed)).join();
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  const weight = (key: Float64Array, i: number) => Math.exp(draw.gain * key[i]);
  let chiSquare = 0, total = 0;
  for (let i = 0; i < 5; i++) {
    const given = second(i);
    for (let j = 0; j < 5; j++) {
      if (i === j) continue;
      const all = first.reduce((sum, _, k) => sum + weight(first, k), 0);
      const rest = given.reduce((sum, _, k) => k === i ? sum : sum + weight(given, k), 0);
      const expected = DRAWS * weight(first, i) / all * weight(given, j) / rest;
      chiSquare += ((counts.get(`${i},${j}`) ?? 0) - expected) ** 2 / expected;
      total += expected;
    }
  }
  assert.ok(Math.abs(total - DRAWS) < 1e-6);
  return chiSquare;
}

Deno.test("scores are the learner's pair losses minus the reference's, each with its own scale, bias and width", () => {
  const learner = embeddings(1, 7, 3), reference = { ...embeddings(2, 7, 5, 20), bias: -1 };
  const scores = learnability(learner, reference, 7);
  const loss = (model: ScoredEmbeddings) =>
    sigmoidLoss({
      image: Float64Array.from(model.image),
      text: Float64Array.from(model.text),
      logitScale: Float64Array.of(Math.log(model.scale)),
      logitBias: Float64Array.of(model.bias),
    }, 7).loss;
  const whole = batchLearnability(scores, 7, [0, 1, 2, 3, 4, 5, 6]);
  assert.ok(Math.abs(whole - (loss(learner) - loss(reference))) < 1e-12);
  const single = pairLosses({ image: [1], text: [1], scale: 2, bias: -1 }, 1)[0];
  assert.ok(Math.abs(single - Math.log1p(Math.exp(-1))) < 1e-15);
});

Deno.test("a conditional score is the growth of the sub-matrix sum", () => {
  const scores = learnability(embeddings(1, 9, 4), embeddings(2, 9, 4), 9);
  const sum = (chosen: number[]) => chosen.length * batchLearnability(scores, 9, chosen);
  for (const chosen of [[4], [1, 7], [8, 2, 3, 0]]) {
    const conditional = conditionalScores(scores, 9, chosen);
    for (let i = 0; i < 9; i++) {
      if (chosen.includes(i)) continue;
      assert.ok(Math.abs(conditional[i] - (sum([...chosen, i]) - sum(chosen))) < 1e-12);
    }
  }
  assert.deepEqual(conditionalScores(scores, 9, []), scores.filter((_, at) => at % 10 === 0));
});

Deno.test("chunk sizes differ by at most one, the larger first", () => {
  assert.deepEqual(chunkSizes(10, 4), [3, 3, 2, 2]);
  assert.deepEqual(chunkSizes(6, 1), [6]);
  assert.deepEqual(chunkSizes(3, 3), [1, 1, 1]);
});

Deno.test("exactly b distinct examples, whatever the sizes and the gain", () => {
  const sizes = fc.integer({ min: 1, max: 24 }).chain((examples) =>
    fc.integer({ min: 1, max: examples }).chain((batch) =>
      fc.record({
        examples: fc.constant(examples),
        batch: fc.constant(batch),
        chunks: fc.integer({ min: 1, max: batch }),
        gain: fc.constantFrom(0, 1, 100, 1e6),
        seed: fc.nat(1000),
      })
    )
  );
  fc.assert(fc.property(sizes, ({ examples, seed, ...draw }) => {
    const scores = learnability(embeddings(seed, examples, 4), embeddings(seed + 1, examples, 4), examples);
    const selected = selectJointly(scores, examples, draw, gumbel(seed));
    assert.equal(selected.length, draw.batch);
    assert.equal(new Set(selected).size, draw.batch);
    assert.ok(selected.every((i) => i >= 0 && i < examples));
  }));
});

Deno.test("without noise the draw is greedy, and ties go to the lower index", () => {
  const scores = new Float64Array(16);
  assert.deepEqual(selectJointly(scores, 4, { batch: 3, chunks: 2, gain: 100 }, greedy), [0, 1, 2]);
  scores[3 * 4 + 3] = 2; // alone, 3 is best
  scores[0 * 4 + 0] = 1; // then 0
  scores[3 * 4 + 1] = 5; // but beside 3, 1 is
  assert.deepEqual(selectJointly(scores, 4, { batch: 2, chunks: 1, gain: 1 }, greedy), [3, 0]);
  assert.deepEqual(selectJointly(scores, 4, { batch: 2, chunks: 2, gain: 1 }, greedy), [3, 1]);
});

Deno.test("one chunk is drawn as Plackett–Luce draws, one example a chunk given the one before", () => {
  const scores = randomArray(3, 25, 0.7);
  const diagonal = conditionalScores(scores, 5, []);
  const beside = (i: number) => conditionalScores(scores, 5, [i]);
  const one = { batch: 2, chunks: 1, gain: 1 }, two = { batch: 2, chunks: 2, gain: 1 };
  const independent = chiSquareOfPairs(scores, one, diagonal, () => diagonal);
  const joint = chiSquareOfPairs(scores, two, diagonal, beside);
  assert.ok(independent < CHI_SQUARE_LIMIT, `χ² = ${independent}`);
  assert.ok(joint < CHI_SQUARE_LIMIT, `χ² = ${joint}`);
  const confused = chiSquareOfPairs(scores, two, diagonal, () => diagonal); // the test can fail
  assert.ok(confused > 10 * CHI_SQUARE_LIMIT, `χ² = ${confused}`);
});

Deno.test("a reference equal to the learner gives a uniform draw", () => {
  const model = embeddings(4, 5, 3), scores = learnability(model, model, 5);
  assert.ok(scores.every((score) => score === 0));
  const flat = new Float64Array(5);
  const chiSquare = chiSquareOfPairs(scores, { batch: 2, chunks: 2, gain: 100 }, flat, () => flat);
  assert.ok(chiSquare < CHI_SQUARE_LIMIT, `χ² = ${chiSquare}`);
});

Deno.test("joint selection finds more learnable batches than independent, and that more than uniform", () => {
  const examples = 60,
    scores = learnability(embeddings(5, examples, 4), embeddings(6, examples, 4), examples);
  const mean = (chunks: number, gain: number) => {
    let sum = 0;
    for (let seed = 0; seed < 20; seed++) {
      const selected = selectJointly(scores, examples, { batch: 12, chunks, gain }, gumbel(seed));
      sum += batchLearnability(scores, examples, selected) / 20;
    }
    return sum;
  };
  const uniformly = mean(1, 0), independently = mean(1, 100), jointly = mean(12, 100);
  assert.ok(
    jointly > independently + 1 && independently > uniformly,
    [jointly, independently, uniformly].join(),
  );
});
