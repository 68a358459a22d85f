/** Training from what scoring computed: the same learning for fewer FLOPs. */
import assert from "node:assert/strict";
import type { DualEncoderConfig } from "../../src/models/config.ts";
import { DualEncoder } from "../../src/models/model.ts";
import { adamWDefaults } from "../../src/optim/adamw.ts";
import { planStep } from "../../src/train/plan.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { relativeNorm } from "../reference/compare.ts";
import { jointOptions, randomPairs, tinyConfig, uniformOptions } from "./tiny.ts";

/** Log, gradients, weights and FLOPs after a few steps of a fresh tiny model. */
async function train(config: DualEncoderConfig, options: TrainerOptions, steps = 1) {
  using model = DualEncoder.create(await testDevice(), config, { seed: 1 });
  using trainer = await Trainer.create(model, options);
  for (let step = 0; step < steps; step++) trainer.step(randomPairs(options.superBatch!, step));
  return {
    logs: await trainer.readLog(),
    gradients: await model.parameters.read("gradients"),
    weights: await model.parameters.read(),
    flops: trainer.flops,
    /** Of so many pairs, at a patch size, and the towers apart. */
    forward: (patchSize: number, pairs: number) => model.forwardFlops(patchSize, pairs),
  };
}

type Parameters = Awaited<ReturnType<typeof train>>["weights"];

function assertNear(actual: Parameters, expected: Parameters, tolerance: number) {
  for (const [name, { data }] of expected) {
    const own = actual.get(name)!.data;
    // What nothing reached has stayed at zero.
    const difference = data.some((value) => value !== 0) ? relativeNorm(own, data) : Math.max(...own);
    assert.ok(difference <= tolerance, `${name} differs by ${difference}`);
  }
}

const map = tinyConfig("map"), flatten = tinyConfig("flatten");
/** As CLIP is: class token, norm before the blocks, causal text that ends at its end token. */
const clip: DualEncoderConfig = {
  ...map,
  vision: { ...map.vision, pool: "class", preNorm: true, activation: "quick-gelu" },
  text: { ...map.text, causal: true, endToken: "highest", headBias: false, activation: "quick-gelu" },
};
const flexi = { scorePatchSize: 8, coarseShare: 0.5 };

const cases: [name: string, config: DualEncoderConfig, options: Partial<TrainerOptions>][] = [
  ["attention pooling", map, {}],
  ["flattened tokens, softmax", flatten, { loss: "softmax" }],
  ["as CLIP", clip, {}],
  ["another patch size", map, { patchSize: 2 }],
  ["a batch that does not divide the super-batch", map, {
    superBatch: 19,
    sampler: "independent",
    chunks: 1,
  }],
  ["Flexi-JEST", map, flexi],
  ["all trained coarsely", map, { ...flexi, coarseShare: 1 }],
  ["scored coarsely, trained finely", flatten, { ...flexi, coarseShare: 0 }],
  ["dropped patches", map, { scoreDrop: 0.5, coarseShare: 0.5 }],
  ["half precision", map, { precision: "f16" }],
  ["a locked tower", map, { lock: "image" }],
];
for (const [name, config, options] of cases) {
  Deno.test(
    { name: `training from the scoring pass learns the same: ${name}`, ...sharesDevice },
    async () => {
      // Where a gradient is zero but for rounding, AdamW would blow the rounding up to its rate.
      const common = { ...jointOptions, ...options, optimizer: { ...adamWDefaults, epsilon: 1e-3 } };
      const again = await train(config, common, 3);
      const reused = await train(config, { ...common, reuseScoring: true }, 3);
      assert.deepEqual(
        reused.logs.map(({ selected }) => selected),
        again.logs.map(({ selected }) => selected),
      );
      reused.logs.forEach(({ loss }, at) => assert.ok(Math.abs(loss / again.logs[at].loss - 1) < 1e-6));
      assertNear(reused.weights, again.weights, 1e-6);
      assert.equal(reused.flops.score, again.flops.score);
      assert.ok(reused.flops.train < again.flops.train);
    },
  );
}

Deno.test({ name: "every gradient is there, and that of the same examples", ...sharesDevice }, async () => {
  const again = await train(map, jointOptions),
    reused = await train(map, { ...jointOptions, reuseScoring: true });
  for (const [name, { data }] of again.gradients) {
    assert.ok(data.some((value) => value !== 0), `${name} is zero`);
  }
  assertNear(reused.gradients, again.gradients, 2e-6);
  const other = await train(map, { ...jointOptions, reuseScoring: true, seed: 2 });
  assert.throws(() => assertNear(other.gradients, again.gradients, 1e-3), /differs by/, "other examples");
});

Deno.test(
  { name: "what is spared is the forward pass of what was scored as it is trained", ...sharesDevice },
  async () => {
    const spared = async (options: Partial<TrainerOptions>) => {
      const common = { ...jointOptions, ...options };
      const { flops, forward } = await train(map, common);
      const reused = await train(map, { ...common, reuseScoring: true });
      return { flops: flops.train - reused.flops.train, forward };
    };
    // The pooling head's query is made of parameters alone, and computed as ever.
    const query = 2 * 16 * 16;
    const plain = await spared({});
    assert.equal(plain.flops, plain.forward(4, 8) - query);
    // The whole text tower, and the images of the half that is trained coarsely; the patch kernel is resized as ever.
    const both = await spared(flexi), coarse = await spared({ ...flexi, coarseShare: 1 });
    const fine = await spared({ ...flexi, coarseShare: 0 });
    assert.ok(fine.flops > 0);
    assert.equal(both.flops, fine.flops + (coarse.flops - fine.flops) / 2);
  },
);

Deno.test("the plan says what keeping the scoring pass takes", async () => {
  const device = await testDevice();
  const plan = (options: TrainerOptions) => planStep(map, options, device).bytes.temporaries;
  assert.ok(plan({ ...jointOptions, reuseScoring: true }) > 1.3 * plan(jointOptions));
});

Deno.test({ name: "without a scoring pass by the learner nothing changes", ...sharesDevice }, async () => {
  const options = { ...uniformOptions, superBatch: 8 };
  const [kept, plain] = [await train(map, { ...options, reuseScoring: true }), await train(map, options)];
  assert.deepEqual(kept.weights, plain.weights);
  assert.deepEqual(kept.flops, plain.flops);
  // All that is scored is trained: there is nothing to tell rows from.
  const all = { ...jointOptions, superBatch: 8 };
  assert.deepEqual(
    (await train(map, { ...all, reuseScoring: true })).weights,
    (await train(map, all)).weights,
  );
});

Deno.test(
  { name: "keeping all goes with neither micro-batches nor recomputation", ...sharesDevice },
  async () => {
    using model = DualEncoder.create(await testDevice(), map, { seed: 1 });
    for (
      const [options, where] of [
        [{ microBatch: 4 }, "in micro-batches of 4"],
        [{ recompute: true }, "where activations are recomputed"],
      ] as const
    ) {
      await assert.rejects(Trainer.create(model, { ...jointOptions, ...options, reuseScoring: true }), {
        name: "RangeError",
        message:
          `What scoring computed cannot be used again ${where}: it keeps all of them. Leave one of the two out`,
      });
    }
  },
);
