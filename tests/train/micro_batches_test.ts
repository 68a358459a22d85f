/** Micro-batches and recomputation change what is kept, not what is learned. */
import assert from "node:assert/strict";
import { DualEncoder } from "../../src/models/model.ts";
import { adamWDefaults } from "../../src/optim/adamw.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { relativeNorm } from "../reference/compare.ts";
import { jointOptions, randomPairs, tinyConfig, tinyModel, uniformOptions } from "./tiny.ts";

type Pool = "map" | "flatten";

/** Log, gradients and weights after a few steps of a fresh tiny model. */
async function train(options: TrainerOptions, { steps = 1, pool = "map" as Pool, seed = 0 } = {}) {
  using model = tinyModel(await testDevice(), { pool });
  using trainer = await Trainer.create(model, options);
  for (let step = 0; step < steps; step++) {
    trainer.step(randomPairs(options.superBatch ?? options.batch, seed + step));
  }
  const logs = await trainer.readLog();
  return {
    logs,
    gradients: await model.parameters.read("gradients"),
    weights: await model.parameters.read(),
    flops: trainer.flops,
    plan: trainer.plan,
  };
}

function assertNear(
  actual: Awaited<ReturnType<typeof train>>["gradients"],
  expected: typeof actual,
  tolerance: number,
) {
  for (const [name, { data }] of expected) {
    assert.ok(data.some((value) => value !== 0), `${name} is zero`);
    const difference = relativeNorm(actual.get(name)!.data, data);
    assert.ok(difference <= tolerance, `${name} differs by ${difference}`);
  }
}

// 8 = 4 + 4 = 3 + 3 + 2 (whose rows start off the grid of bindings) = 7 + 1 = eight times 1.
for (const [sampler, options] of Object.entries({ joint: jointOptions, uniform: uniformOptions })) {
  for (
    const [microBatch, pool, loss] of [
      [4, "map", "sigmoid"],
      [3, "flatten", "softmax"],
      [3, "map", "sigmoid"],
      [7, "flatten", "sigmoid"],
      [1, "map", "softmax"],
    ] as const
  ) {
    const name =
      `${sampler}: micro-batches of ${microBatch} have the gradients of the batch, ${pool}, ${loss}`;
    Deno.test({ name, ...sharesDevice }, async () => {
      const common = { ...options, loss };
      const whole = await train(common, { pool }), parts = await train({ ...common, microBatch }, { pool });
      assert.deepEqual(parts.logs[0].selected, whole.logs[0].selected);
      assert.ok(Math.abs(parts.logs[0].loss / whole.logs[0].loss - 1) < 1e-6);
      if (loss === "softmax") {
        // β cancels: its gradient is exactly zero either way.
        for (const { gradients } of [whole, parts]) {
          assert.deepEqual([...gradients.get("logit_bias")!.data], [0]);
          gradients.delete("logit_bias");
        }
      }
      assertNear(parts.gradients, whole.gradients, 2e-6);
    });
  }

  Deno.test(
    { name: `${sampler}: ten updates in micro-batches are those of whole batches`, ...sharesDevice },
    async () => {
      // Where a gradient is zero but for rounding (the bias of the keys), AdamW would blow the rounding up to its rate.
      const common = { ...options, optimizer: { ...adamWDefaults, epsilon: 1e-3 } };
      const whole = await train(common, { steps: 10 });
      const parts = await train({ ...common, microBatch: 3 }, { steps: 10 });
      assert.deepEqual(parts.logs.map((log) => log.selected), whole.logs.map((log) => log.selected));
      whole.logs.forEach(({ loss }, at) => assert.ok(Math.abs(parts.logs[at].loss / loss - 1) < 1e-5));
      assertNear(parts.weights, whole.weights, 1e-5);
      const other = await train(common, { steps: 10, seed: 1 });
      assert.throws(() => assertNear(other.weights, whole.weights, 1e-5), /differs by/, "other examples");
    },
  );
}

Deno.test(
  { name: "every example of every micro-batch reaches the gradient, the last one's too", ...sharesDevice },
  async () => {
    using model = tinyModel(await testDevice());
    using trainer = await Trainer.create(model, { ...uniformOptions, microBatch: 3 });
    // Each caption has words of its own, so that the table's gradient tells them apart.
    trainer.step({ ...randomPairs(8), tokens: Uint32Array.from({ length: 40 }, (_, at) => at) });
    await trainer.readLog();
    const table = (await model.parameters.read("gradients")).get("text.token")!;
    for (let token = 0; token < 300; token++) {
      const reached = table.data.subarray(token * 16, (token + 1) * 16).some((value) => value !== 0);
      assert.equal(reached, token < 40, `token ${token}`);
    }
  },
);

Deno.test(
  {
    name: "the scoring pass is the micro-batches' embedding pass; without one, the batch is embedded",
    ...sharesDevice,
  },
  async () => {
    using model = tinyModel(await testDevice(), { pool: "flatten" });
    const flops = async (options: TrainerOptions) => {
      using trainer = await Trainer.create(model, options);
      return trainer.flops;
    };
    assert.deepEqual(await flops({ ...jointOptions, microBatch: 2 }), await flops(jointOptions));
    const whole = await flops(uniformOptions), parts = await flops({ ...uniformOptions, microBatch: 2 });
    assert.equal(parts.train, whole.train + 8 * model.forwardFlops());
  },
);

Deno.test(
  {
    name: "a micro-batch that is the batch changes no bit, and equal seeds give equal bits",
    ...sharesDevice,
  },
  async () => {
    const weights = async (options: TrainerOptions) => (await train(options, { steps: 3 })).weights;
    assert.deepEqual(await weights({ ...jointOptions, microBatch: 8 }), await weights(jointOptions));
    const parts = { ...jointOptions, microBatch: 3, recompute: true };
    assert.deepEqual(await weights(parts), await weights(parts));
  },
);

for (const options of [uniformOptions, { ...jointOptions, microBatch: 3 }]) {
  for (const pool of ["map", "flatten"] as const) {
    const name = `recomputed blocks have the same bits in every gradient, ${
      options.microBatch ?? 8
    } at a time, ${pool}`;
    Deno.test({ name, ...sharesDevice }, async () => {
      const kept = await train(options, { steps: 2, pool });
      const again = await train({ ...options, recompute: true }, { steps: 2, pool });
      assert.deepEqual(again.gradients, kept.gradients);
      assert.deepEqual(again.weights, kept.weights);
      assert.deepEqual(again.logs, kept.logs);
      assert.ok(again.flops.train > 1.1 * kept.flops.train && again.flops.train < 1.34 * kept.flops.train);
      assert.equal(again.flops.score, kept.flops.score);
    });
  }
}

Deno.test({ name: "a micro-batch that is no part of the batch is refused", ...sharesDevice }, async () => {
  using model = DualEncoder.create(await testDevice(), tinyConfig(), { seed: 1 });
  for (const microBatch of [0, 9, 1.5, NaN, -1]) {
    await assert.rejects(Trainer.create(model, { ...uniformOptions, microBatch }), {
      name: "RangeError",
      message: `The micro-batch is ${microBatch}: give a whole number from 1 to the 8 examples of a batch`,
    });
  }
});
