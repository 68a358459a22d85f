import assert from "node:assert/strict";
import { referenceScores } from "../../src/curation/reference_score.ts";
import { pairDataset, type TokenisedDataset } from "../../src/data/dataset.ts";
import { type ArmHooks, type ArmOptions, InterruptedError, trainArm } from "../../src/run/arm.ts";
import { SuperBatchLoader } from "../../src/data/loader.ts";
import type { TestSet } from "../../src/run/evaluate.ts";
import type { MetricLine, SelectionSnapshot } from "../../src/train/record.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { jointOptions, randomPairs, REFERENCE_WIDTH, tinyModel } from "../train/tiny.ts";

const SIZE = 60;
const { pixels, tokens, reference } = randomPairs(SIZE);

/** Sixty pairs; every second picture is in-domain, every third caption its own. */
async function pool(): Promise<TokenisedDataset> {
  const dataset = await pairDataset({
    name: "pool",
    imageSize: 8,
    pixels: pixels.slice(),
    captions: Array.from({ length: SIZE }, (_, i) => `caption ${i}`),
    inDomain: Uint8Array.from({ length: SIZE }, (_, i) => Number(i % 2 === 0)),
    clean: Uint8Array.from({ length: SIZE }, (_, i) => Number(i % 3 === 0)),
  });
  return { ...dataset, tokens: tokens.slice() };
}

/** Ten pairs of five concepts with two prompts each. */
const test: TestSet = {
  pixels: pixels.subarray(0, 10 * 192),
  tokens: tokens.subarray(0, 50),
  classes: {
    labels: Int32Array.from({ length: 10 }, (_, i) => i % 5),
    promptTokens: tokens.subarray(0, 50),
    prompts: 2,
  },
};

const joint: ArmOptions = {
  arm: "joint",
  sampler: "joint",
  steps: 25,
  batch: 8,
  superBatch: 24,
  chunks: 2,
  gain: 1,
  seed: 1,
  learningRate: 1e-3,
  patchSize: 4,
  warmUp: 0.1,
  reference: { ...jointOptions.reference!, ...reference, width: REFERENCE_WIDTH },
  evaluations: 2,
};

/** Hooks that keep what they are told. */
function recorder(stopAfter = Infinity) {
  const lines: MetricLine[] = [], snapshots: SelectionSnapshot[] = [], steps: number[] = [];
  const controller = new AbortController();
  const hooks: ArmHooks = {
    onStep: (done, total, note) => {
      assert.equal(total, 25);
      assert.match(note, /loss \d/);
      steps.push(done);
      if (done >= stopAfter) controller.abort();
    },
    onMetrics: (line) => Promise.resolve(void lines.push(line)),
    onSnapshot: (snapshot) => Promise.resolve(void snapshots.push(snapshot)),
    signal: controller.signal,
  };
  return { lines, snapshots, steps, hooks };
}

Deno.test({ name: "an arm writes its lines and snapshots", ...sharesDevice }, async () => {
  using model = tinyModel(await testDevice());
  const data = await pool(), { lines, snapshots, steps, hooks } = recorder();
  const result = await trainArm(model, data, test, joint, hooks);
  // The first step, every tenth, half (rounded up), evaluations at half and the end, the end.
  assert.deepEqual(lines.map(({ step }) => step), [1, 10, 13, 20, 25]);
  assert.deepEqual(steps, [1, 10, 13, 20, 25]);
  let seconds = 0, distinct = 0;
  for (const line of lines) {
    assert.equal(line.arm, "joint");
    assert.equal(line.trainedExamples, line.step * 8);
    assert.equal(line.drawnExamples, line.step * 24);
    for (const share of [line.inDomainShare!, line.cleanShare!]) assert.ok(share >= 0 && share <= 1);
    assert.ok(line.loss > 0 && line.gradientNorm > 0 && Number.isFinite(line.batchLearnability));
    assert.ok(line.seconds > seconds && line.distinctExamples >= distinct && line.distinctExamples <= SIZE);
    assert.equal(line.evaluation !== undefined, line.step === 13 || line.step === 25);
    assert.equal(line.flops.learnerTrain / line.step, lines[0].flops.learnerTrain);
    assert.equal(line.flops.learnerScore / line.step, lines[0].flops.learnerScore);
    assert.deepEqual([line.flops.referenceTrain, line.flops.referenceScore], [0, 0]);
    [seconds, distinct] = [line.seconds, line.distinctExamples];
  }
  assert.deepEqual(snapshots.map(({ step }) => step), [1, 13, 25]);
  for (const { examples, step } of snapshots) {
    assert.equal(examples.length, 24);
    const order = examples.flatMap((example) => example.order ?? []).toSorted((a, b) => a - b);
    assert.deepEqual(order, Array.from({ length: 8 }, (_, i) => i));
    for (const { index, caption, score, inDomain, clean, source } of examples) {
      assert.equal(caption, `caption ${index}`);
      assert.ok(Number.isFinite(score));
      assert.deepEqual([inDomain, clean, source], [index % 2 === 0, index % 3 === 0, "pool"]);
    }
    const selected = examples.filter((example) => example.order !== null);
    if (step === 1) {
      assert.equal(lines[0].inDomainShare, selected.filter(({ inDomain }) => inDomain).length / 8);
      assert.equal(lines[0].cleanShare, selected.filter(({ clean }) => clean).length / 8);
    }
  }
  assert.equal(result.loss.first, lines[0].loss);
  assert.equal(result.loss.last, lines[4].loss);
  assert.deepEqual(result.last, lines[4]);
  assert.deepEqual([result.trainedExamples, result.drawnExamples], [200, 600]);
});

Deno.test(
  { name: "a reference's arm selects uniformly and accounts to the reference", ...sharesDevice },
  async () => {
    using model = tinyModel(await testDevice());
    const { lines, snapshots, hooks } = recorder();
    const options: ArmOptions = {
      ...joint,
      arm: "reference",
      sampler: "uniform",
      superBatch: 8,
      chunks: 1,
      reference: undefined,
      evaluations: 0,
    };
    const { flops, last } = await trainArm(model, await pool(), null, options, hooks);
    assert.ok(flops.referenceTrain > 0);
    assert.deepEqual([flops.learnerTrain, flops.learnerScore, flops.referenceScore], [0, 0, 0]);
    assert.equal(snapshots.length, 0);
    assert.ok(lines.every((line) => !("batchLearnability" in line) && !line.evaluation));
    // 25 batches are more than three epochs of seven: the dropped rest of one, four examples, comes in another.
    assert.ok(last.distinctExamples >= 56 && last.distinctExamples <= SIZE);
  },
);

Deno.test({ name: "an arm stops when it is asked to, after a whole step", ...sharesDevice }, async () => {
  const device = await testDevice(), data = await pool();
  using model = tinyModel(device);
  const { allocatedBytes } = device.counters;
  const { lines, hooks } = recorder(10);
  await assert.rejects(trainArm(model, data, null, joint, hooks), (error: Error) => {
    assert.ok(error instanceof InterruptedError);
    assert.equal(error.message, "Stopped after step 10 of 25");
    return true;
  });
  assert.deepEqual(lines.map(({ step }) => step), [1, 10]);
  assert.equal(device.counters.allocatedBytes, allocatedBytes);
});

Deno.test({ name: "a pool smaller than a super-batch is refused", ...sharesDevice }, async () => {
  using model = tinyModel(await testDevice());
  await assert.rejects(trainArm(model, await pool(), null, { ...joint, superBatch: 64 }, recorder().hooks), {
    name: "RangeError",
    message: /super-batches of 64 from 60 examples/,
  });
});

Deno.test(
  { name: "the reference sifts a draw before the learner scores it", ...sharesDevice },
  async () => {
    using model = tinyModel(await testDevice());
    const data = await pool(), { snapshots, hooks } = recorder();
    const result = await trainArm(model, data, null, { ...joint, drawn: 48, evaluations: 0 }, hooks);
    assert.equal(result.drawnExamples, 25 * 48);
    const scores = referenceScores(joint.reference!);
    const { examples } = snapshots[0];
    assert.equal(examples.length, 24);
    // Of the 48 drawn the 24 easiest: no more than 12 of all sixty were not drawn, so these at most are easier and missing.
    const easier = (at: number) => scores.filter((score) => score > scores[at]).length;
    const hardest = Math.max(...examples.map(({ index }) => easier(index)));
    assert.ok(hardest >= 23 && hardest < 24 + 12, `the hardest kept example ranks ${hardest}`);
    assert.equal(new Set(examples.map(({ index }) => index)).size, 24);
  },
);

Deno.test({ name: "the steps before one that diverged are reported", ...sharesDevice }, async () => {
  using model = tinyModel(await testDevice());
  const loader = new SuperBatchLoader(SIZE, 24, 1), before = [...loader.indices(0), ...loader.indices(1)];
  // Drawn in step 3 for the first time.
  const spoilt = loader.indices(2).find((example) => !before.includes(example))!;
  const image = reference.image.map((value, at) => Math.floor(at / REFERENCE_WIDTH) === spoilt ? NaN : value);
  const { hooks, lines } = recorder();
  const training = trainArm(
    model,
    await pool(),
    test,
    { ...joint, sampler: "independent", reference: { ...joint.reference!, image } },
    hooks,
  );
  await assert.rejects(training, { name: "DivergenceError", message: /was NaN in step 3: look for numbers/ });
  assert.deepEqual(lines.map(({ step }) => step), [1, 2], "step 2 was read together with step 3");
});
