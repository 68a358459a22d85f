import assert from "node:assert/strict";
import { Trainer } from "../../src/train/trainer.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { relativeNorm } from "../reference/compare.ts";
import { jointOptions, pick, randomPairs, tinyModel, uniformOptions } from "./tiny.ts";

Deno.test(
  { name: "a step is one submit, reads nothing back and makes nothing", ...sharesDevice },
  async () => {
    const device = await testDevice();
    const parts = { microBatch: 3, recompute: true };
    const coarse = { patchSize: 2, scorePatchSize: 4, coarseShare: 0.5 };
    for (
      const options of [
        jointOptions,
        { ...jointOptions, precision: "f16" as const },
        uniformOptions,
        { ...jointOptions, ...parts },
        { ...uniformOptions, ...parts },
        { ...jointOptions, ...coarse },
        { ...jointOptions, ...coarse, ...parts, scoreDrop: 0.5 },
        { ...jointOptions, score: "easy-reference" as const, loss: "softmax" as const },
      ]
    ) {
      using model = tinyModel(device);
      using trainer = await Trainer.create(model, options);
      const batch = randomPairs(options.superBatch ?? options.batch);
      trainer.step(batch);
      const before = { ...device.counters };
      for (let step = 2; step <= 5; step++) trainer.step(batch);
      assert.deepEqual({ ...device.counters }, {
        ...before,
        submits: before.submits + 4,
        dispatches: before.dispatches + 4 * trainer.plan.dispatches,
      });
      assert.equal((await trainer.readLog()).length, 5);
    }
  },
);

Deno.test({ name: "a trainer and a model free what they took", ...sharesDevice }, async () => {
  const device = await testDevice();
  const { allocatedBytes } = device.counters;
  {
    using model = tinyModel(device);
    const modelBytes = device.counters.allocatedBytes;
    const batch = randomPairs(24);
    {
      using trainer = await Trainer.create(model, jointOptions);
      trainer.step(batch);
      await trainer.readLog();
    }
    assert.equal(device.counters.allocatedBytes, modelBytes);
    await assert.rejects(Trainer.create(model, { ...jointOptions, chunks: 9 }), {
      name: "RangeError",
      message: /select 8 examples in 9 chunks/,
    });
    assert.equal(
      device.counters.allocatedBytes,
      modelBytes,
      "a trainer that fails to compile frees its buffers",
    );
  }
  assert.equal(device.counters.allocatedBytes, allocatedBytes);
});

Deno.test(
  { name: "equal seeds give equal bits in all weights, another seed does not", ...sharesDevice },
  async () => {
    const device = await testDevice();
    const weights = async (modelSeed: number, seed: number) => {
      using model = tinyModel(device, { seed: modelSeed });
      using trainer = await Trainer.create(model, { ...jointOptions, seed });
      for (let step = 0; step < 5; step++) trainer.step(randomPairs(24, step));
      return await model.save();
    };
    const first = await weights(1, 1);
    assert.deepEqual(await weights(1, 1), first);
    assert.notDeepEqual(await weights(1, 2), first, "another selection");
    assert.notDeepEqual(await weights(2, 1), first, "another start");
  },
);

for (const pool of ["map", "flatten"] as const) {
  Deno.test(
    { name: `a joint step trains the selected examples and no other, ${pool}`, ...sharesDevice },
    async () => {
      const device = await testDevice(), pairs = randomPairs(24);
      /** Gradients and log of one step of a fresh model. */
      const step = async (options: typeof jointOptions, batch: typeof pairs) => {
        using model = tinyModel(device, { pool });
        using trainer = await Trainer.create(model, options);
        trainer.step(batch);
        const [log] = await trainer.readLog();
        return { log, gradients: await model.parameters.read("gradients") };
      };
      const joint = await step(jointOptions, pairs);
      // A uniform sampler with nothing to leave out permutes its batch: bring the examples so that it restores the order.
      const { log: { selected: permuted } } = await step(uniformOptions, pick(pairs, joint.log.selected));
      const ordered = new Uint32Array(8);
      permuted.forEach((place, row) => ordered[place] = joint.log.selected[row]);
      const uniform = await step(uniformOptions, pick(pairs, ordered));
      const other = await step(uniformOptions, pick(pairs, [...joint.log.selected.keys()]));
      assert.equal(uniform.log.loss, joint.log.loss);
      let largest = 0;
      for (const [name, { data }] of joint.gradients) {
        assert.ok(data.some((value) => value !== 0), `the gradient of ${name} is zero`);
        const difference = relativeNorm(uniform.gradients.get(name)!.data, data);
        // Only the token table's sums are taken in the order of the super-batch.
        assert.ok(difference <= (name === "text.token" ? 1e-6 : 0), `${name} differs by ${difference}`);
        largest = Math.max(largest, relativeNorm(other.gradients.get(name)!.data, data));
      }
      assert.ok(largest > 0.1, "other examples have other gradients");
    },
  );
}

Deno.test({ name: "the log says what a step did", ...sharesDevice }, async () => {
  using model = tinyModel(await testDevice());
  const { logitScale, logitBias } = await model.logitScaleAndBias();
  using trainer = await Trainer.create(model, { ...jointOptions, steps: 3, warmUp: 0 });
  for (let step = 0; step < 3; step++) trainer.step(randomPairs(24, step));
  const logs = await trainer.readLog();
  assert.deepEqual(logs.map(({ step }) => step), [1, 2, 3]);
  for (const { loss, gradientNorm, selected, batchLearnability, drawEntropy, learningRate } of logs) {
    assert.ok(loss > 0 && gradientNorm > 0 && Number.isFinite(batchLearnability));
    assert.ok(learningRate > 0 && learningRate <= 1e-3);
    const [first, last] = drawEntropy!;
    assert.ok(drawEntropy!.length === 2 && first <= Math.log(24) && last <= Math.log(20));
    assert.equal(new Set(selected).size, 8);
    assert.ok(selected.every((place) => place < 24));
  }
  const after = await model.logitScaleAndBias();
  assert.equal(logs[2].logitScale, after.logitScale);
  assert.equal(logs[2].logitBias, after.logitBias);
  assert.ok(after.logitScale !== logitScale && after.logitBias !== logitBias, "scale and bias are trained");
  const scores = await trainer.readScores();
  assert.equal(scores!.length, 24);
  assert.ok(scores!.every(Number.isFinite));

  using plain = await Trainer.create(model, uniformOptions);
  plain.step(randomPairs(8));
  const [log] = await plain.readLog();
  assert.equal(log.batchLearnability, null);
  assert.equal(log.drawEntropy, null);
  assert.deepEqual(log.selected.toSorted(), Uint32Array.from({ length: 8 }, (_, i) => i));
  assert.equal(await plain.readScores(), null);
});

for (const loss of ["sigmoid", "softmax"] as const) {
  Deno.test({ name: `thirty steps on one batch learn it by the ${loss} loss`, ...sharesDevice }, async () => {
    const device = await testDevice(), batch = randomPairs(8);
    const train = async (learningRate: number) => {
      using model = tinyModel(device);
      using trainer = await Trainer.create(model, { ...uniformOptions, steps: 30, learningRate, loss });
      for (let step = 0; step < 30; step++) trainer.step(batch);
      return (await trainer.readLog()).map((log) => log.loss);
    };
    const learned = await train(1e-2), control = await train(1e-12);
    assert.ok(learned[29] < 0.5 * learned[0], `the loss went from ${learned[0]} to ${learned[29]}`);
    assert.ok(Math.abs(control[29] / control[0] - 1) < 1e-3, "without a learning rate nothing is learned");
  });
}

Deno.test({ name: "the FLOP ledger counts what the model computes", ...sharesDevice }, async () => {
  using model = tinyModel(await testDevice(), { pool: "flatten" });
  using trainer = await Trainer.create(model, jointOptions);
  const { score, train } = trainer.flops, forward = model.forwardFlops();
  const loss = 3 * 2 * 8 * 8 * 16;
  assert.ok(Math.abs(train / (3 * forward * 8 + loss) - 1) < 0.1, `${train / (3 * forward * 8 + loss)}`);
  // Two products of both models with the four members of the first chunk, each pair's own, and the final 8 × 8.
  const pair = 2 * (16 + 8), selection = 24 * pair + 2 * 24 * 4 * pair + 8 * 8 * pair;
  assert.equal(score, 24 * forward + selection);
  using uniform = await Trainer.create(model, uniformOptions);
  assert.deepEqual(uniform.flops, { score: 0, train });
});

Deno.test(
  { name: "another patch size trains the stored kernel, and counts more work", ...sharesDevice },
  async () => {
    const device = await testDevice();
    using model = tinyModel(device);
    const before = (await model.parameters.read()).get("image.patch.kernel")!.data;
    using trainer = await Trainer.create(model, { ...uniformOptions, patchSize: 2 });
    using coarse = await Trainer.create(model, uniformOptions);
    assert.ok(trainer.flops.train > 1.5 * coarse.flops.train);
    trainer.step(randomPairs(8));
    assert.ok((await trainer.readLog())[0].loss > 0);
    assert.notDeepEqual((await model.parameters.read()).get("image.patch.kernel")!.data, before);
  },
);
