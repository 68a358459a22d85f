/** Joint selection from host embeddings against the float64 reference with its whole matrix of scores. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Stream, uniform } from "../../src/random/philox.ts";
import {
  type HostEmbeddings,
  selectedCount,
  selectExamples,
  type SelectOptions,
} from "../../src/selection/select.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { softplus } from "../reference/contrastive_loss.ts";
import * as oracle from "../reference/joint_selection.ts";
import { models, pairs, scored } from "./pairs.ts";

/** Gumbel noise as `draw.wgsl` makes it outside a training, where the step is 0. */
function gumbel(seed: number): (chunk: number, example: number) => number {
  return (chunk, example) => -Math.log(-Math.log1p(-uniform(seed, Stream.select, chunk, example)));
}

function assertNear(actual: number, expected: number, tolerance = 1e-4): void {
  const difference = Math.abs(actual - expected);
  assert.ok(difference <= tolerance * Math.max(1, Math.abs(expected)), `${actual}, expected ${expected}`);
}

function assertDistinct(indices: readonly number[], count: number, examples: number): void {
  assert.equal(indices.length, count);
  assert.equal(new Set(indices).size, count);
  assert.ok(indices.every((index) => Number.isInteger(index) && index >= 0 && index < examples));
}

// S, f, N: one of one; everything, one at a time; N that does not divide b; N = b; S beyond several workgroups of 256.
const shapes: [examples: number, filterRatio: number, chunks: number][] = [
  [1, 0, 1],
  [7, 0, 7],
  [10, 0.8, 2],
  [65, 0.5, 5],
  [64, 0, 3],
  [300, 0.8, 60],
  [257, 0.3, 8],
  [640, 0.8, 16],
];
for (const [examples, filterRatio, chunks] of shapes) {
  for (const gain of [100, 1, 0.01]) {
    Deno.test(
      {
        name: `${examples} pairs, f ${filterRatio}, ${chunks} chunks, gain ${gain}: as in float64`,
        ...sharesDevice,
      },
      async () => {
        const { learner, reference } = models(examples, examples), seed = 5;
        const batch = selectedCount(examples, filterRatio);
        const scores = oracle.learnability(scored(learner), scored(reference), examples);
        const expected = oracle.selectJointly(scores, examples, { batch, chunks, gain }, gumbel(seed));
        const options = { filterRatio, chunks, gain, seed };
        const result = await selectExamples(await testDevice(), { learner, reference }, options);
        assert.deepEqual(result.indices, expected);
        assertNear(result.batchLearnability!, oracle.batchLearnability(scores, examples, expected));
      },
    );
  }
}

Deno.test(
  { name: "at a gain of 10,000 the selection is the greedy one, whatever the seed", ...sharesDevice },
  async () => {
    const { learner, reference } = models(1, 40), device = await testDevice();
    const scores = oracle.learnability(scored(learner), scored(reference), 40);
    const greedy = oracle.selectJointly(scores, 40, { batch: 4, chunks: 2, gain: 1e4 }, () => 0);
    for (const seed of [1, 2]) {
      const options = { filterRatio: 0.9, chunks: 2, gain: 1e4, seed };
      assert.deepEqual((await selectExamples(device, { learner, reference }, options)).indices, greedy);
    }
  },
);

Deno.test({ name: "16,384 pairs: the same indices as in float64", ...sharesDevice }, async () => {
  const examples = 16_384, batch = 64, chunks = 4, gain = 100, seed = 9;
  const learner = pairs(1, examples, { width: 8, noise: 3 });
  const reference = pairs(2, examples, { width: 8, scale: 20, bias: -12 });
  const loss = ({ image, text, scale, bias }: oracle.ScoredEmbeddings, i: number, j: number) => {
    let dot = 0;
    for (let d = 0; d < 8; d++) dot += image[i * 8 + d] * text[j * 8 + d];
    return softplus((i === j ? -1 : 1) * (scale * dot + bias));
  };
  const seen = [scored(learner), scored(reference)], noise = gumbel(seed);
  const score = (i: number, j: number) => loss(seen[0], i, j) - loss(seen[1], i, j);
  const cond = Float64Array.from({ length: examples }, (_, i) => score(i, i));
  const expected: number[] = [];
  for (const [chunk, size] of oracle.chunkSizes(batch, chunks).entries()) {
    const keys = cond.map((value, i) => gain * value + noise(chunk, i));
    for (const k of expected) keys[k] = -Infinity;
    const chosen = Array.from(keys.keys()).sort((i, j) => keys[j] - keys[i]).slice(0, size);
    for (const k of chosen) for (let i = 0; i < examples; i++) cond[i] += score(i, k) + score(k, i);
    expected.push(...chosen);
  }
  const options = { filterRatio: 1 - batch / examples, chunks, gain, seed };
  const { indices } = await selectExamples(await testDevice(), { learner, reference }, options);
  assert.deepEqual(indices, expected);
});

Deno.test({ name: "a selection holds exactly b distinct examples", ...sharesDevice }, async () => {
  const device = await testDevice();
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 600 }),
      fc.double({ min: 0, max: 0.95, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom(0, 0.01, 1, 100),
      fc.nat(),
      async (examples, filterRatio, share, gain, seed) => {
        const batch = selectedCount(examples, filterRatio);
        const chunks = Math.max(1, Math.round(Math.min(batch, 12) * share));
        const { learner, reference } = models(3, examples);
        const options = { filterRatio, chunks, gain, seed };
        const result = await selectExamples(device, { learner, reference }, options);
        assertDistinct(result.indices, batch, examples);
        const scores = oracle.learnability(scored(learner), scored(reference), examples);
        assertNear(result.batchLearnability!, oracle.batchLearnability(scores, examples, result.indices));
      },
    ),
    { numRuns: 15, seed: 1 },
  );
});

Deno.test({ name: "a gain of 10,000 and logits of ±1,000 overflow nothing", ...sharesDevice }, async () => {
  const learner = pairs(1, 200, { noise: 3, scale: 1000, bias: 50 });
  const reference = pairs(2, 200, { noise: 0.5, scale: 1000, bias: -100 });
  const options = { filterRatio: 0.5, chunks: 7, gain: 1e4, seed: 1 };
  const { indices, batchLearnability } = await selectExamples(
    await testDevice(),
    { learner, reference },
    options,
  );
  assertDistinct(indices, 100, 200);
  const scores = oracle.learnability(scored(learner), scored(reference), 200);
  assertNear(batchLearnability!, oracle.batchLearnability(scores, 200, indices));
});

Deno.test({ name: "equal seeds select the same, other seeds others", ...sharesDevice }, async () => {
  const { learner, reference } = models(1, 100), device = await testDevice();
  const select = (seed: number) =>
    selectExamples(device, { learner, reference }, { filterRatio: 0.8, chunks: 4, gain: 0.01, seed });
  const first = await select(1);
  assert.deepEqual(await select(1), first);
  assert.notDeepEqual((await select(2)).indices, first.indices);
  assert.notDeepEqual((await select(1 + 2 ** 32)).indices, first.indices, "the seed's upper half counts");
});

Deno.test(
  { name: "what is selected is more learnable than chance", ...sharesDevice },
  async () => {
    const { learner, reference } = models(1, 200), device = await testDevice();
    const select = (gain: number) =>
      selectExamples(device, { learner, reference }, { filterRatio: 0.8, chunks: 8, gain, seed: 1 });
    const [best, random] = [await select(100), await select(0)];
    assert.ok(best.batchLearnability! > random.batchLearnability! + 0.5);
  },
);

Deno.test({ name: "a selection frees what it took", ...sharesDevice }, async () => {
  const { learner, reference } = models(1, 20), device = await testDevice();
  const { allocatedBytes } = device.counters;
  await selectExamples(device, { learner, reference }, { filterRatio: 0.5, chunks: 2, gain: 1, seed: 1 });
  await assert.rejects(
    selectExamples(device, { learner, reference }, { filterRatio: 0.5, chunks: 11, gain: 1, seed: 1 }),
  );
  assert.equal(device.counters.allocatedBytes, allocatedBytes);
});

const good = pairs(1, 10, { width: 8 });
const changed = (at: number, value: number): Float32Array => {
  const image = good.image.slice();
  image[at] = value;
  return image;
};
const badModels: [what: string, learner: HostEmbeddings, error: { name: string; message: RegExp }][] = [
  ["a row that is not of unit length", { ...good, image: changed(17, 2) }, {
    name: "RangeError",
    message: /Row 2 of the learner's image embeddings has length .*, expected 1: normalise/,
  }],
  ["a row with NaN", { ...good, text: changed(79, NaN) }, {
    name: "RangeError",
    message: /Row 9 of the learner's text embeddings has length NaN, expected 1/,
  }],
  ["an infinite number", { ...good, image: changed(0, Infinity) }, {
    name: "RangeError",
    message: /Row 0 of the learner's image/,
  }],
  ["fewer pairs than the reference", pairs(1, 9, { width: 8 }), {
    name: "TypeError",
    message: /learner embedded 9 pairs and the reference 10/,
  }],
  ["fewer captions than pictures", { ...good, text: good.text.subarray(8) }, {
    name: "TypeError",
    message: /80 numbers and its text embeddings 72/,
  }],
  ["no pair at all", { ...good, image: new Float32Array(0), text: new Float32Array(0) }, {
    name: "TypeError",
    message: /have 0 numbers/,
  }],
  ["a width of 6", { ...pairs(1, 10, { width: 6 }) }, {
    name: "TypeError",
    message: /6 columns.*multiple of 4/,
  }],
  ["a scale of 0", { ...good, logitScale: 0 }, { name: "RangeError", message: /logit scale is 0.*α > 0/ }],
  ["a bias of NaN", { ...good, logitBias: NaN }, { name: "RangeError", message: /bias NaN/ }],
];
for (const [what, learner, error] of badModels) {
  Deno.test({ name: `embeddings with ${what} are refused`, ...sharesDevice }, async () => {
    const options = { filterRatio: 0.8, chunks: 1, gain: 100, seed: 1 };
    await assert.rejects(selectExamples(await testDevice(), { learner, reference: good }, options), error);
  });
}

const badOptions: [what: string, options: Partial<SelectOptions>, message: RegExp][] = [
  ["a filter ratio of 1.2", { filterRatio: 1.2 }, /filter ratio is 1.2: choose one from 0 up to.*1/],
  ["a filter ratio of 1", { filterRatio: 1 }, /filter ratio is 1:/],
  ["a filter ratio of −0.1", { filterRatio: -0.1 }, /filter ratio is -0.1/],
  ["a filter ratio of NaN", { filterRatio: NaN }, /filter ratio is NaN/],
  ["more chunks than examples", { chunks: 3 }, /select 2 examples in 3 chunks: choose between 1 and 2/],
  ["no chunk", { chunks: 0 }, /in 0 chunks/],
  ["half a chunk", { chunks: 1.5 }, /in 1.5 chunks/],
  ["a negative seed", { seed: -1 }, /seed is -1: choose a whole number from 0/],
  ["a seed of one and a half", { seed: 1.5 }, /seed is 1.5/],
  ["an infinite gain", { gain: Infinity }, /gain is Infinity/],
];
for (const [what, bad, message] of badOptions) {
  Deno.test({ name: `a selection with ${what} is refused`, ...sharesDevice }, async () => {
    const options = { filterRatio: 0.8, chunks: 1, gain: 100, seed: 1, ...bad };
    await assert.rejects(selectExamples(await testDevice(), { learner: good, reference: good }, options), {
      name: "RangeError",
      message,
    });
  });
}

Deno.test("a filter ratio leaves its share of the examples, free of rounding", () => {
  const cases: [number, number, number][] = [
    [163_840, 0.8, 32_768],
    [640, 0.9, 64],
    [10, 0.7, 3],
    [10, 0, 10],
    [3, 0.99, 1],
    [1, 0.5, 1],
  ];
  for (const [count, filterRatio, kept] of cases) assert.equal(selectedCount(count, filterRatio), kept);
});
