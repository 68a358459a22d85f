/** What samplers draw on the GPU has the distribution that the paper gives, over many steps of one program. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Graph } from "../../src/graph/graph.ts";
import type { Shape } from "../../src/graph/tensor.ts";
import type { Pairing } from "../../src/losses/contrastive.ts";
import { randomWord, Stream } from "../../src/random/philox.ts";
import { selectBatch } from "../../src/selection/samplers.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { lossNames } from "../../src/losses/contrastive.ts";
import * as oracle from "../reference/joint_selection.ts";
import { sigmoidScores, softmaxScores } from "../reference/selection.ts";
import { models, pairs, scored } from "./pairs.ts";
import { runSelection } from "./run_selection.ts";

const EXAMPLES = 6, DRAWS = 2500;

/** p ∝ exp(score), without the examples that are taken. */
function softmax(scores: Float64Array, taken: readonly number[] = []): Float64Array {
  const open = scores.map((score, i) => taken.includes(i) ? -Infinity : score), highest = Math.max(...open);
  const weights = open.map((score) => Math.exp(score - highest));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

/** Asserts by χ² that ordered pairs were drawn with the given probabilities. */
function assertPairFrequencies(
  drawn: readonly Uint32Array[],
  probability: (i: number, j: number) => number,
): void {
  const counts = new Map<string, number>();
  for (const [i, j] of drawn) counts.set(`${i} ${j}`, (counts.get(`${i} ${j}`) ?? 0) + 1);
  let chiSquare = 0, outcomes = 0, total = 0;
  for (let i = 0; i < EXAMPLES; i++) {
    for (let j = 0; j < EXAMPLES; j++) {
      if (i === j) continue;
      const expected = probability(i, j) * drawn.length;
      total += expected;
      outcomes++;
      chiSquare += ((counts.get(`${i} ${j}`) ?? 0) - expected) ** 2 / expected;
    }
  }
  assert.ok(Math.abs(total - drawn.length) < 1e-6, "the probabilities sum to one");
  // χ² of k degrees of freedom has mean k and variance 2k; three and a half deviations above are once in 5,000.
  const freedom = outcomes - 1, limit = freedom + 3.5 * Math.sqrt(2 * freedom);
  assert.ok(chiSquare < limit, `χ² is ${chiSquare}, at most ${limit} for ${freedom} degrees of freedom`);
}

const learner = pairs(1, EXAMPLES, { noise: 3, bias: -5 });
const reference = pairs(2, EXAMPLES, { noise: 0.5, bias: -5 });
const signed = [[1, scored(learner)], [-1, scored(reference)]] as const;
const dense = { sigmoid: sigmoidScores(signed, EXAMPLES), softmax: softmaxScores(signed, EXAMPLES) };
const GAIN = 0.3;

for (const loss of lossNames) {
  const conditional = (chosen: readonly number[]) =>
    dense[loss].conditional(chosen).map((score) => GAIN * score);
  for (const chunks of [1, 2]) {
    Deno.test(
      { name: `${loss}: two of six in ${chunks} chunks have the paper's frequencies`, ...sharesDevice },
      async () => {
        const request = { superBatch: EXAMPLES, batch: 2, chunks, gain: GAIN, seed: 1, steps: DRAWS, loss };
        const { indices } = await runSelection("joint", request, { learner, reference });
        const first = softmax(conditional([]));
        // One chunk: Plackett–Luce, the second from the same scores. Two chunks: from those that the first has changed.
        const second = (i: number) => softmax(conditional(chunks === 1 ? [] : [i]), [i]);
        assertPairFrequencies(indices, (i, j) => first[i] * second(i)[j]);
        // The test can fail: frequencies that are uniform are refused.
        assert.throws(() => assertPairFrequencies(indices, () => 1 / 30), /χ²/);
      },
    );
  }
}

Deno.test(
  { name: "Gibbs sampling visits sets as often as exp(gain · Σ S) says", ...sharesDevice },
  async () => {
    const request = {
      superBatch: EXAMPLES,
      batch: 2,
      chunks: 1,
      gain: GAIN,
      seed: 4,
      steps: DRAWS,
      iterations: 8,
    };
    const { indices } = await runSelection("gibbs", request, { learner, reference });
    // A set is met in either order, and which member has which place is as likely both ways.
    const weight = (i: number, j: number) => Math.exp(GAIN * 2 * dense.sigmoid.batchScore([i, j]));
    let total = 0;
    for (let i = 0; i < EXAMPLES; i++) for (let j = 0; j < EXAMPLES; j++) if (i !== j) total += weight(i, j);
    assertPairFrequencies(indices, (i, j) => weight(i, j) / total);
    assert.throws(() => assertPairFrequencies(indices, () => 1 / 30), /χ²/);
  },
);

for (const sampler of ["joint", "uniform"] as const) {
  const name = sampler === "joint"
    ? "a reference that is the learner leaves nothing to prefer"
    : "uniform selection";
  Deno.test({ name: `${name}: all pairs are equally frequent`, ...sharesDevice }, async () => {
    const request = { superBatch: EXAMPLES, batch: 2, chunks: 1, gain: 100, seed: 3, steps: DRAWS };
    const { indices } = await runSelection(sampler, request, { learner, reference: learner });
    assertPairFrequencies(indices, () => 1 / 30);
  });
}

Deno.test(
  {
    name: "the shader's Philox is the host's: a uniform draw follows its words",
    ...sharesDevice,
  },
  async () => {
    // A smaller word is a larger key. Two words that differ by less than 2¹⁶ of 2³² may change places: adapters differ
    // in their last bits of log.
    const superBatch = 300, request = { superBatch, batch: superBatch, chunks: 1, gain: 1, steps: 3 };
    for (const seed of [1, 0xffffffff, 2 ** 53 - 1]) {
      const { indices } = await runSelection("uniform", { ...request, seed });
      indices.forEach((drawn, at) => {
        const words = Array.from(drawn, (i) => randomWord(seed, Stream.select, (at + 1) * 65_536, i));
        const falls = words.some((word, place) => place > 0 && word < words[place - 1] - 2 ** 16);
        assert.ok(!falls, `seed ${seed}, step ${at + 1}: out of order`);
      });
    }
  },
);

Deno.test(
  { name: "uniform selection draws b distinct examples and says where they went", ...sharesDevice },
  async () => {
    await testDevice();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 600 }).chain((size) =>
          fc.tuple(fc.constant(size), fc.integer({ min: 1, max: size }))
        ),
        fc.nat(),
        async ([superBatch, batch], seed) => {
          const { indices: [drawn], slots, batchScore, diagonal } = await runSelection("uniform", {
            superBatch,
            batch,
            chunks: 1,
            gain: 100,
            seed,
          });
          assert.equal(new Set(drawn).size, batch);
          const expected = new Uint32Array(superBatch).fill(0xffffffff);
          drawn.forEach((example, place) => expected[example] = place);
          assert.deepEqual(slots, expected);
          assert.equal(batchScore, 0);
          assert.equal(diagonal, null);
        },
      ),
      { numRuns: 15, seed: 1 },
    );
  },
);

for (const gain of [0.01, 1, 100]) {
  Deno.test({ name: `entropies, own scores and slots at gain ${gain}`, ...sharesDevice }, async () => {
    const examples = 300, batch = 60, chunks = 7, host = models(1, examples);
    const all = oracle.learnability(scored(host.learner), scored(host.reference), examples);
    const result = await runSelection("joint", { superBatch: examples, batch, chunks, gain, seed: 1 }, host);
    const order = Array.from(result.indices[0]);
    let first = 0;
    for (const [chunk, size] of oracle.chunkSizes(batch, chunks).entries()) {
      const chosen = order.slice(0, first);
      const cond = oracle.conditionalScores(all, examples, chosen).map((score) => gain * score);
      const entropy = softmax(cond, chosen).reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0);
      assert.ok(Math.abs(result.entropy[chunk] - entropy) < 2e-3, `${result.entropy[chunk]}, ${entropy}`);
      first += size;
    }
    result.diagonal!.forEach((score, i) => assert.ok(Math.abs(score - all[i * (examples + 1)]) < 1e-4));
    order.forEach((example, place) => assert.equal(result.slots[example], place));
    assert.equal(result.slots.filter((slot) => slot === 0xffffffff).length, examples - batch);
  });
}

Deno.test({ name: "the entropy of a uniform draw from S is log S", ...sharesDevice }, async () => {
  const request = { superBatch: 300, batch: 10, chunks: 1, gain: 100, seed: 1 };
  const { entropy } = await runSelection("uniform", request);
  assert.ok(Math.abs(entropy[0] - Math.log(300)) < 1e-5);
});

Deno.test({ name: "samplers refuse shapes that do not fit", ...sharesDevice }, async () => {
  const request = { superBatch: 6, batch: 7, chunks: 1, gain: 1, seed: 1 };
  const refused = { name: "RangeError", message: /Cannot select 7 of 6 examples: choose between 1 and 6/ };
  await assert.rejects(runSelection("uniform", request), refused);
  await assert.rejects(runSelection("joint", request, { learner, reference }), refused);
  await assert.rejects(runSelection("joint", { ...request, batch: 2 }), {
    name: "TypeError",
    message: /score "learnability" needs the embeddings of a learner/,
  });
  const narrow = pairs(1, 6, { width: 6 });
  await assert.rejects(runSelection("joint", { ...request, batch: 2 }, { learner: narrow, reference }), {
    name: "TypeError",
    message: /width 6: it must be a multiple of 4/,
  });
});

Deno.test("joint selection refuses embeddings of another number of examples, or of sides of unequal width", () => {
  const graph = new Graph(), step = graph.temporary("step", [4], "u32");
  const pairing = (image: Shape, text: Shape) => ({
    image: graph.temporary("image", image),
    text: graph.temporary("text", text),
    logitScale: graph.temporary("scale", [1]),
    logitBias: graph.temporary("bias", [1]),
  });
  const select = (learner: Pairing, reference: Pairing) =>
    selectBatch(graph, "joint", { learner, reference }, {
      superBatch: 6,
      batch: 2,
      chunks: 1,
      iterations: 0,
      gain: 1,
      seed: 1,
      loss: "sigmoid",
      score: "learnability",
      step,
    });
  const good = pairing([6, 8], [6, 8]);
  assert.throws(() => select(good, pairing([5, 8], [5, 8])), {
    name: "TypeError",
    message: /the reference's image embeddings: its shape is \[5,8\], expected \[6,8\]/,
  });
  assert.throws(() => select(pairing([6, 8], [6, 4]), good), {
    name: "TypeError",
    message: /the learner's text embeddings: its shape is \[6,4\], expected \[6,8\]/,
  });
  assert.equal(graph.dispatches.length, 0, "nothing was recorded");
});
