/** Training with every sampler, score and loss. */
import assert from "node:assert/strict";
import { lossNames } from "../../src/losses/contrastive.ts";
import { countedModels, samplerNames, samplers } from "../../src/selection/samplers.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { relativeNorm } from "../reference/compare.ts";
import { jointOptions, pick, randomPairs, tinyModel, uniformOptions } from "./tiny.ts";

/** Logs, gradients and weights of a fresh tiny model after some steps, without reference embeddings if none count. */
async function train(options: TrainerOptions, steps: number) {
  using model = tinyModel(await testDevice());
  using trainer = await Trainer.create(model, options);
  for (let step = 0; step < steps; step++) {
    const { reference, ...pairs } = randomPairs(24, step);
    trainer.step(options.reference ? { ...pairs, reference } : pairs);
  }
  return {
    logs: await trainer.readLog(),
    scores: await trainer.readScores(),
    gradients: await model.parameters.read("gradients"),
    weights: await model.parameters.read(),
    flops: trainer.flops,
  };
}

for (const sampler of samplerNames) {
  for (const score of samplers[sampler].scores ?? [null]) {
    for (const loss of lossNames) {
      const name = `${sampler}${score ? ` by ${score}` : ""}, ${loss}: a few steps, and the same bits again`;
      Deno.test({ name, ...sharesDevice }, async () => {
        const counted = countedModels(score);
        const { reference, ...rest } = jointOptions;
        const options = {
          ...rest,
          ...(counted.reference ? { reference } : {}),
          sampler,
          score,
          loss,
          chunks: 3,
          iterations: 10,
          gain: 10,
        };
        const first = await train(options, 3), second = await train(options, 3);
        assert.deepEqual(second.logs, first.logs);
        assert.deepEqual(second.weights, first.weights);
        for (const { selected, batchLearnability, drawEntropy, loss } of first.logs) {
          assert.equal(new Set(selected).size, 8);
          assert.ok(loss > 0);
          const draws = { joint: 3, gibbs: 11, independent: 1, "top-k": 1, uniform: 0 }[sampler];
          assert.equal(drawEntropy?.length ?? 0, draws);
          assert.ok((drawEntropy ?? []).every((entropy) => entropy >= 0 && entropy <= Math.log(24) + 1e-5));
          assert.equal(batchLearnability !== null, score !== null);
          if (score === "easy-reference") assert.ok(batchLearnability! < 0, "minus a loss");
          // The learner's score of the batch is the loss that is trained, before the update.
          if (score === "hard-learner") assert.ok(Math.abs(batchLearnability! - loss) < 1e-4 * loss);
        }
        assert.equal(first.scores !== null, score !== null);
      });
    }
  }
}

Deno.test({ name: "the model scores only where the score counts it", ...sharesDevice }, async () => {
  const score = async (options: Partial<TrainerOptions>) =>
    (await train({ ...jointOptions, ...options }, 1)).flops.score;
  const [both, learner, reference, none] = [
    await score({}),
    await score({ score: "hard-learner" }),
    await score({ score: "easy-reference" }),
    await score({ sampler: "uniform" }),
  ];
  using model = tinyModel(await testDevice());
  const pass = 24 * model.forwardFlops(4);
  assert.equal(none, 0);
  assert.ok(
    learner > 0.9 * pass && both > learner && reference > 0 && reference < pass / 10,
    `${[pass, learner, reference]}`,
  );
  // Selecting by both models is the work of selecting by each.
  assert.equal(both, learner + reference);
});

for (const score of ["easy-reference", "hard-learner"] as const) {
  for (const loss of lossNames) {
    Deno.test({
      name: `${score}, ${loss}: micro-batches have the gradients of the batch`,
      ...sharesDevice,
    }, async () => {
      const options = { ...jointOptions, score, loss };
      const whole = await train(options, 1), parts = await train({ ...options, microBatch: 3 }, 1);
      assert.deepEqual(parts.logs[0].selected, whole.logs[0].selected);
      for (const [name, { data }] of whole.gradients) {
        if (data.every((value) => value === 0)) continue; // β under the softmax loss
        assert.ok(relativeNorm(parts.gradients.get(name)!.data, data) < 1e-5, name);
      }
    });
  }
}

Deno.test({ name: "what is trained is what was selected", ...sharesDevice }, async () => {
  for (const sampler of samplerNames) {
    const { logs: [{ selected }], gradients } = await train({ ...jointOptions, sampler, iterations: 10 }, 1);
    using model = tinyModel(await testDevice());
    using alone = await Trainer.create(model, uniformOptions);
    alone.step(pick(randomPairs(24, 0), selected));
    await alone.readLog();
    for (const [name, { data }] of await model.parameters.read("gradients")) {
      assert.ok(relativeNorm(gradients.get(name)!.data, data) < 1e-4, `${sampler}, ${name}`);
    }
  }
});
