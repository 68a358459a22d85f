/** Every sampler under every score and loss against float64 with whole matrices. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { planMemory } from "../../src/graph/memory_plan.ts";
import { Graph } from "../../src/graph/graph.ts";
import { type LossName, lossNames } from "../../src/losses/contrastive.ts";
import { Stream, uniform } from "../../src/random/philox.ts";
import { type SamplerName, samplerNames, samplers, selectBatch } from "../../src/selection/samplers.ts";
import { type ScoreName, scores } from "../../src/selection/scores.ts";
import { type HostEmbeddings, selectedCount, selectExamples } from "../../src/selection/select.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { denseSamplers, sigmoidScores, softmaxScores } from "../reference/selection.ts";
import { models, pairs, scored } from "./pairs.ts";

type Models = ReturnType<typeof models>;

const dense = { sigmoid: sigmoidScores, softmax: softmaxScores };

/** Gumbel noise as `draw.wgsl` makes it outside a training, where the step is 0. */
function gumbel(seed: number): (draw: number, example: number) => number {
  return (draw, example) => -Math.log(-Math.log1p(-uniform(seed, Stream.select, draw, example)));
}

/** The float64 scores; models whose factor is 0 are not looked at. */
function denseScores({ learner, reference }: Models, score: ScoreName, loss: LossName, examples: number) {
  const signs = scores[score];
  const signed = [[signs.learner, scored(learner)], [signs.reference, scored(reference)]] as const;
  return dense[loss](signed.filter(([sign]) => sign !== 0), examples);
}

/** The models that a score counts, and no others. */
function needed({ learner, reference }: Models, score: ScoreName): Partial<Models> {
  return {
    ...(scores[score].learner ? { learner } : {}),
    ...(scores[score].reference ? { reference } : {}),
  };
}

function assertNear(actual: number, expected: number, what: string, tolerance = 1e-4): void {
  const difference = Math.abs(actual - expected);
  assert.ok(
    difference <= tolerance * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, expected ${expected}`,
  );
}

const scoring = samplerNames.filter((name): name is keyof typeof denseSamplers =>
  samplers[name].scores !== null
);

Deno.test("every sampler that goes by a score has an oracle", () => {
  assert.deepEqual([...scoring].sort(), Object.keys(denseSamplers).sort());
});

// B, f, N: N that does not divide b, N = b, and S beyond a workgroup of 256 and off every grid.
const shapes: [examples: number, filterRatio: number, chunks: number][] = [
  [9, 0.5, 5],
  [65, 0.5, 5],
  [301, 0.8, 7],
];
for (const sampler of scoring) {
  for (const score of samplers[sampler].scores!) {
    for (const loss of lossNames) {
      Deno.test({ name: `${sampler} by ${score}, ${loss}: as in float64`, ...sharesDevice }, async () => {
        for (const [examples, filterRatio, chunks] of shapes) {
          for (const gain of [100, 0.1]) {
            const host = models(examples, examples), seed = 5, iterations = 40;
            const batch = selectedCount(examples, filterRatio);
            const oracle = denseScores(host, score, loss, examples);
            const expected = denseSamplers[sampler](
              oracle,
              { examples, batch, chunks, gain, iterations },
              gumbel(seed),
            );
            const options = { sampler, score, loss, filterRatio, chunks, gain, seed, iterations };
            const result = await selectExamples(await testDevice(), needed(host, score), options);
            const place = `${batch} of ${examples} at gain ${gain}`;
            assert.deepEqual(result.indices, expected.indices, place);
            const compare = (
              what: string,
              actual: readonly number[],
              wanted: ArrayLike<number>,
              tolerance?: number,
            ) => {
              assert.equal(actual.length, wanted.length, what);
              actual.forEach((value, at) =>
                assertNear(value, wanted[at], `${what} ${at}, ${place}`, tolerance)
              );
            };
            compare("own score", result.scores, oracle.conditional([]));
            compare("conditional score", result.conditionalScores!, expected.drawnBy);
            compare("entropy", result.entropies, expected.entropies, 2e-3);
            assertNear(result.batchScore, oracle.batchScore(result.indices), "batch score");
            assert.equal(result.batchLearnability, score === "learnability" ? result.batchScore : null);
          }
        }
      });
    }
  }
}

for (const loss of lossNames) {
  Deno.test({
    name: `${loss}: what is selected another way has a learnability too`,
    ...sharesDevice,
  }, async () => {
    const examples = 60, host = models(2, examples), device = await testDevice();
    const oracle = denseScores(host, "learnability", loss, examples);
    for (
      const how of [{ sampler: "uniform" }, { sampler: "top-k" }, { score: "easy-reference" }, {
        score: "hard-learner",
      }] as const
    ) {
      const options = { ...how, loss, filterRatio: 0.8, chunks: 3, gain: 100, seed: 1 };
      const { indices, batchLearnability } = await selectExamples(device, host, options);
      assertNear(batchLearnability!, oracle.batchScore(indices), JSON.stringify(how));
    }
  });

  Deno.test({ name: `${loss}: the order of the pairs does not matter`, ...sharesDevice }, async () => {
    // At this gain the noise decides nothing, so that the same pairs are chosen wherever they stand.
    const examples = 50, host = models(3, examples), device = await testDevice();
    const moved = (i: number) => (i * 7 + 3) % examples;
    const permute = ({ image, text, width, ...rest }: HostEmbeddings): HostEmbeddings => {
      const rows = (all: Float32Array) =>
        all.map((_, at) => all[moved(Math.floor(at / width)) * width + at % width]);
      return { ...rest, width, image: rows(image), text: rows(text) };
    };
    const permuted = { learner: permute(host.learner), reference: permute(host.reference) };
    for (const sampler of ["joint", "independent", "top-k"] as const) {
      const options = { sampler, loss, filterRatio: 0.8, chunks: 5, gain: 1e4, seed: 1 };
      const { indices } = await selectExamples(device, host, options);
      const other = await selectExamples(device, permuted, options);
      // As sets: what is all but equal may change places, as sums of four are added in another order.
      assert.deepEqual(other.indices.map(moved).sort(), indices.toSorted(), sampler);
      // The control: a reference whose pairs are someone else's selects others.
      const mixed = { ...host, reference: permuted.reference };
      assert.notDeepEqual(
        (await selectExamples(device, mixed, options)).indices.sort(),
        indices.toSorted(),
        sampler,
      );
    }
  });

  Deno.test({
    name: `${loss}: where pairs do not meet, joint selection is independent selection`,
    ...sharesDevice,
  }, async () => {
    // Pair i lives on axes of its own, its caption turned away by an angle of its own: every interaction is the same.
    const examples = 40, width = 2 * examples;
    const model = (turn: (i: number) => number, logitScale: number): HostEmbeddings => {
      const image = new Float32Array(examples * width), text = new Float32Array(examples * width);
      for (let i = 0; i < examples; i++) {
        image[i * width + 2 * i] = 1;
        text.set([Math.cos(turn(i)), Math.sin(turn(i))], i * width + 2 * i);
      }
      return { image, text, width, logitScale, logitBias: -3 };
    };
    const host = {
      learner: model((i) => (i * 17 % 40) / 30, 5),
      reference: model((i) => (i * 23 % 40) / 40, 20),
    };
    const select = async (sampler: SamplerName) => {
      const options = { sampler, loss, filterRatio: 0.75, chunks: 5, gain: 1e4, seed: 1 };
      return (await selectExamples(await testDevice(), host, options)).indices;
    };
    assert.deepEqual(await select("joint"), await select("independent"));
  });

  // 300 members a chunk meet 16,384 candidates in two blocks of products.
  Deno.test({ name: `${loss}: 16,384 pairs as in float64`, ...sharesDevice }, async () => {
    const examples = 16_384, batch = 600, chunks = 2, gain = 1, seed = 9;
    const learner = pairs(1, examples, { width: 8, noise: 3 });
    const reference = pairs(2, examples, { width: 8, scale: 20, bias: -12 });
    const options = { loss, filterRatio: 1 - batch / examples, chunks, gain, seed };
    const result = await selectExamples(await testDevice(), { learner, reference }, options);
    const { indices, conditionalScores } = result;
    assert.equal(new Set(indices).size, batch);
    const noise = gumbel(seed), first = indices.slice(0, 300);
    const sides = [[1, scored(learner)], [-1, scored(reference)]] as const;
    const logit = ({ image, text, scale, bias }: typeof sides[0][1], i: number, j: number) => {
      let dot = 0;
      for (let d = 0; d < 8; d++) dot += image[i * 8 + d] * text[j * 8 + d];
      return scale * dot + (loss === "sigmoid" ? bias : 0);
    };
    const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    const conditional = (i: number, chosen: readonly number[]) =>
      sides.reduce((sum, [sign, model]) => {
        if (loss === "sigmoid") {
          const own = softplus(-logit(model, i, i));
          return sum + sign * chosen.reduce(
                (total, k) => total + softplus(logit(model, i, k)) + softplus(logit(model, k, i)),
                own,
              );
        }
        const lse = (of: (k: number) => number) =>
          Math.log(chosen.reduce((total, k) => total + Math.exp(of(k)), 0));
        const beside = chosen.length === 0
          ? 0
          : (lse((k) => logit(model, i, k)) + lse((k) => logit(model, k, i))) / 2;
        return sum + sign * (beside - logit(model, i, i));
      }, 0);
    let open = Array.from({ length: examples }, (_, i) => i);
    for (const [draw, chosen] of [[], first].entries()) {
      const cond = new Map(open.map((i) => [i, conditional(i, chosen)]));
      const key = (i: number) => gain * cond.get(i)! + noise(draw, i);
      const expected = open.toSorted((i, j) => key(j) - key(i)).slice(0, 300);
      const drawn = indices.slice(draw * 300, draw * 300 + 300);
      assert.deepEqual(drawn, expected);
      drawn.forEach((i, at) =>
        assertNear(conditionalScores![draw * 300 + at], gain * cond.get(i)!, `conditional score of ${i}`)
      );
      open = open.filter((i) => !drawn.includes(i));
    }
  });
}

Deno.test(
  { name: "a softmax loss near zero keeps its digits in the batch's score", ...sharesDevice },
  async () => {
    const examples = 60, reference = pairs(1, examples, { width: 64, noise: 0.2, scale: 30 });
    const options = {
      score: "easy-reference",
      loss: "softmax",
      filterRatio: 0.5,
      chunks: 3,
      gain: 1,
      seed: 1,
    } as const;
    const { indices, batchScore } = await selectExamples(await testDevice(), { reference }, options);
    const expected = softmaxScores([[-1, scored(reference)]], examples).batchScore(indices);
    assert.ok(expected > -1e-4 && Math.abs(batchScore / expected - 1) < 1e-4, `${batchScore}, ${expected}`);
  },
);

Deno.test({ name: "every sampler selects exactly b distinct examples", ...sharesDevice }, async () => {
  const device = await testDevice();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...samplerNames),
      fc.constantFrom(...lossNames),
      fc.integer({ min: 1, max: 400 }),
      fc.double({ min: 0, max: 0.95, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom(0, 0.01, 100, -100, 1e4),
      fc.nat(),
      async (sampler, loss, examples, filterRatio, share, gain, seed) => {
        const batch = selectedCount(examples, filterRatio);
        const chunks = Math.max(1, Math.round(Math.min(batch, 12) * share));
        const options = { sampler, loss, filterRatio, chunks, gain, seed, iterations: chunks + 2 };
        const result = await selectExamples(device, models(3, examples), options);
        assert.equal(result.indices.length, batch);
        assert.equal(new Set(result.indices).size, batch);
        assert.ok(result.indices.every((index) => index >= 0 && index < examples));
        for (
          const list of [result.scores, result.conditionalScores ?? [], result.entropies, [result.batchScore]]
        ) {
          assert.ok(list.every(Number.isFinite));
        }
      },
    ),
    { numRuns: 30, seed: 1 },
  );
});

Deno.test(
  { name: "gains of 10,000 and logits of ±1,000 overflow in no sampler", ...sharesDevice },
  async () => {
    const learner = pairs(1, 200, { noise: 3, scale: 1000, bias: 50 });
    const reference = pairs(2, 200, { noise: 0.5, scale: 1000, bias: -100 });
    for (const sampler of samplerNames) {
      for (const loss of lossNames) {
        const options = { sampler, loss, filterRatio: 0.5, chunks: 7, gain: 1e4, seed: 1, iterations: 9 };
        const result = await selectExamples(await testDevice(), { learner, reference }, options);
        assert.equal(new Set(result.indices).size, 100);
        for (const list of [result.scores, result.conditionalScores ?? [], result.entropies]) {
          assert.ok(list.every(Number.isFinite), `${sampler}, ${loss}`);
        }
        const oracle = denseScores({ learner, reference }, "learnability", loss, 200);
        assertNear(result.batchLearnability!, oracle.batchScore(result.indices), `${sampler}, ${loss}`);
      }
    }
  },
);

Deno.test("a selection of 16,384 never holds a matrix of all pairs", () => {
  const superBatch = 16_384, batch = 3277;
  for (const sampler of samplerNames) {
    for (const loss of lossNames) {
      const graph = new Graph();
      const model = () => ({
        image: graph.constant("image", [superBatch, 64], new Float32Array(superBatch * 64)),
        text: graph.constant("text", [superBatch, 64], new Float32Array(superBatch * 64)),
        logitScale: graph.constant("scale", [1], new Float32Array(1)),
        logitBias: graph.constant("bias", [1], new Float32Array(1)),
      });
      const score = samplers[sampler].scores?.[0] ?? null;
      selectBatch(graph, sampler, { learner: model(), reference: model() }, {
        superBatch,
        batch,
        chunks: 16,
        iterations: 32,
        gain: 100,
        seed: 1,
        loss,
        score,
        step: graph.constant("step", [4], new Uint32Array(4)),
      });
      const { slots, plannedBytes } = planMemory(graph);
      const largest = Math.max(...slots.map(({ sizeBytes }) => sizeBytes));
      assert.ok(largest <= 16 * 2 ** 20, `${sampler}, ${loss}: a buffer of ${largest} bytes`);
      // Four runs of products, the models' own embeddings, and vectors: a matrix alone would be 1 GiB.
      assert.ok(plannedBytes < 128 * 2 ** 20, `${sampler}, ${loss}: ${plannedBytes} bytes`);
    }
  }
});

Deno.test({ name: "fewer Gibbs iterations are the beginning of more", ...sharesDevice }, async () => {
  const host = models(4, 80), device = await testDevice();
  const run = (iterations: number) =>
    selectExamples(device, host, {
      sampler: "gibbs",
      filterRatio: 0.8,
      chunks: 4,
      gain: 1,
      seed: 1,
      iterations,
    });
  const none = await run(0), some = await run(23), more = await run(24);
  assert.equal(none.entropies.length, 1);
  assertNear(none.entropies[0], Math.log(80), "entropy of the random set", 1e-5);
  assert.deepEqual(more.entropies.slice(0, 24), some.entropies);
  assert.equal(more.entropies.length, 25);
  // Redraw 24 is of the eighth place of sixteen.
  assert.deepEqual(more.indices.with(7, 0), some.indices.with(7, 0));
  const same = await selectExamples(device, host, {
    sampler: "uniform",
    filterRatio: 0.8,
    chunks: 1,
    gain: 1,
    seed: 1,
  });
  assert.deepEqual(none.indices, same.indices);
});

// Under the softmax loss the paper's score beside others is not what the batch's loss grows by: joint selection need not
// beat independent selection.
const rising = {
  sigmoid: ["uniform", "independent", "joint", "gibbs"],
  softmax: ["uniform", "joint", "gibbs"],
} as const;
for (const loss of lossNames) {
  Deno.test({ name: `${loss}: batch scores rise, ${rising[loss].join(", ")}`, ...sharesDevice }, async () => {
    const host = models(5, 200), device = await testDevice();
    const levels: number[] = [];
    for (const sampler of rising[loss]) {
      let sum = 0;
      for (const seed of [1, 2, 3]) {
        const options = { sampler, loss, filterRatio: 0.8, chunks: 16, gain: 100, seed, iterations: 400 };
        sum += (await selectExamples(device, host, options)).batchScore;
      }
      levels.push(sum / 3);
    }
    assert.deepEqual(levels.toSorted((a, b) => a - b), levels);
  });
}

const bad: [what: string, how: Record<string, unknown>, given: ("learner" | "reference")[], error: RegExp][] =
  [
    [
      "an unknown score",
      { score: "best" },
      ["learner", "reference"],
      /no score "best": choose one of learnability, easy/,
    ],
    [
      "an unknown sampler",
      { sampler: "best" },
      ["learner", "reference"],
      /no sampler "best": choose one of joint, indep/,
    ],
    [
      "an unknown loss",
      { loss: "best" },
      ["learner", "reference"],
      /no loss "best": choose one of sigmoid, softmax/,
    ],
    [
      "top-k by learnability",
      { sampler: "top-k", score: "learnability" },
      ["learner", "reference"],
      /"top-k" cannot go by/,
    ],
    ["no reference", {}, ["learner"], /"learnability" needs the embeddings of a reference: give them/],
    [
      "no learner",
      { score: "hard-learner" },
      ["reference"],
      /"hard-learner" needs the embeddings of a learner/,
    ],
    ["no model", { sampler: "uniform" }, [], /needs the embeddings of a learner/],
    [
      "half a redraw",
      { sampler: "gibbs", iterations: 0.5 },
      ["learner", "reference"],
      /redraw 0.5 times: choose a whole/,
    ],
    ["65,536 redraws", { sampler: "gibbs", iterations: 65_536 }, ["learner", "reference"], /from 0 to 65535/],
    [
      "more parts than members",
      { sampler: "gibbs", chunks: 3 },
      ["learner", "reference"],
      /2 examples in 3 chunks/,
    ],
  ];
for (const [what, how, given, message] of bad) {
  Deno.test({ name: `a selection with ${what} is refused`, ...sharesDevice }, async () => {
    const all = models(1, 10), host = Object.fromEntries(given.map((name) => [name, all[name]]));
    const options = { filterRatio: 0.8, chunks: 1, gain: 100, seed: 1, ...how };
    await assert.rejects(selectExamples(await testDevice(), host, options), (error: Error) => {
      assert.ok(error instanceof RangeError || error instanceof TypeError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test(
  { name: "a model that does not count may be missing, and decides nothing", ...sharesDevice },
  async () => {
    const host = models(1, 40), device = await testDevice();
    for (const [score, only] of [["easy-reference", "reference"], ["hard-learner", "learner"]] as const) {
      const options = { score, filterRatio: 0.8, chunks: 2, gain: 1, seed: 1 };
      const { batchLearnability, ...alone } = await selectExamples(device, { [only]: host[only] }, options);
      const { batchLearnability: known, ...both } = await selectExamples(device, host, options);
      assert.deepEqual(alone, both);
      assert.equal(batchLearnability, null);
      assert.ok(Number.isFinite(known));
    }
  },
);
