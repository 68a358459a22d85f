import assert from "node:assert/strict";
import { preset } from "../../src/models/config.ts";
import { learningRateFactor, towerNames } from "../../src/models/fine_tuning.ts";
import type { DualEncoder } from "../../src/models/model.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { jointOptions, randomPairs, tinyConfig, tinyModel, uniformOptions } from "./tiny.ts";

/** Every parameter after some steps. */
async function trained(options: TrainerOptions, steps = 2) {
  using model = tinyModel(await testDevice());
  using trainer = await Trainer.create(model, options);
  const batch = randomPairs(options.superBatch ?? options.batch);
  for (let step = 0; step < steps; step++) trainer.step(batch);
  const [{ gradientNorm }] = await trainer.readLog();
  return { values: await values(model), gradientNorm, flops: trainer.flops };
}

async function values(model: DualEncoder): Promise<Map<string, Float32Array>> {
  return new Map([...await model.parameters.read()].map(([name, { data }]) => [name, data]));
}

for (const lock of towerNames) {
  for (
    const [kind, options] of Object.entries({
      "all at once": uniformOptions,
      "selected, in micro-batches, computed again": { ...jointOptions, microBatch: 3, recompute: true },
    })
  ) {
    Deno.test({ name: `a locked ${lock} tower keeps its bits, ${kind}`, ...sharesDevice }, async () => {
      using start = tinyModel(await testDevice());
      const before = await values(start);
      const { values: after, flops, gradientNorm } = await trained({ ...options, lock });
      const free = await trained(options);
      for (const [name, data] of after) {
        if (name.startsWith(`${lock}.`)) assert.deepEqual(data, before.get(name), name);
        else assert.notDeepEqual(data, before.get(name), name);
      }
      assert.ok(flops.train < free.flops.train, "a locked tower needs no reverse pass");
      assert.ok(gradientNorm < free.gradientNorm, "its gradient is not counted");
    });
  }
}

Deno.test(
  { name: "a locked tower's other half learns as it would, up to the clip", ...sharesDevice },
  async () => {
    const options = { ...uniformOptions, optimizer: { ...adam, clipNorm: 1e9 } };
    const free = await trained(options, 1), locked = await trained({ ...options, lock: "image" }, 1);
    for (const [name, data] of free.values) {
      if (!name.startsWith("image.")) assert.deepEqual(locked.values.get(name), data, name);
    }
  },
);

const adam = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 1e-2, clipNorm: 1 };

Deno.test({ name: "layers move by their factor of what they would", ...sharesDevice }, async () => {
  const options = { ...uniformOptions, optimizer: adam, learningRate: 1e-2 }, layerDecay = 0.5;
  using start = tinyModel(await testDevice());
  const before = await values(start);
  const free = await trained(options, 1), slow = await trained({ ...options, layerDecay }, 1);
  // Its squares are added in another order.
  assert.ok(Math.abs(slow.gradientNorm / free.gradientNorm - 1) < 1e-6);
  const factors = new Map([
    ["image.patch.kernel", 1 / 8],
    ["text.token", 1 / 8],
    ["image.block.0.mlp.in.weight", 1 / 4],
    ["text.block.1.norm1.bias", 1 / 2],
    ["image.norm.weight", 1],
    ["text.head.weight", 1],
    ["logit_scale", 1],
  ]);
  for (const [name, factor] of factors) {
    const from = before.get(name)!, whole = free.values.get(name)!, part = slow.values.get(name)!;
    assert.ok(whole.some((value, i) => value !== from[i]), `${name} moves`);
    part.forEach((value, i) => {
      // Both positions are rounded to f32.
      const wanted = factor * (whole[i] - from[i]),
        slack = 2 ** -22 * Math.abs(from[i]) + 1e-6 * Math.abs(wanted) + 1e-9;
      assert.ok(Math.abs(value - from[i] - wanted) <= slack, `${name} ${i}: ${value - from[i]}, ${wanted}`);
    });
  }
});

Deno.test("every parameter of every kind of tower has its layer", () => {
  const tiny = tinyConfig(), settings = { layerDecay: 0.5 };
  const clip = { ...tiny, vision: { ...tiny.vision, pool: "class" as const, preNorm: true } };
  const factor = (name: string) => learningRateFactor(name, clip, settings);
  for (const name of ["image.class", "image.position", "image.pre_norm.weight", "text.position"]) {
    assert.equal(factor(name), 1 / 8, name);
  }
  for (const name of ["image.head.weight", "text.norm.bias", "logit_bias"]) {
    assert.equal(factor(name), 1, name);
  }
  assert.equal(learningRateFactor("image.block.11.norm1.bias", preset("B/16"), settings), 1 / 2);
  assert.equal(learningRateFactor("image.pool.probe", preset("B/16"), settings), 1);
});

Deno.test({ name: "towers and factors that make no sense are refused", ...sharesDevice }, async () => {
  using model = tinyModel(await testDevice());
  const cases: [Partial<TrainerOptions>, RegExp][] = [
    [{ lock: "both" as "text" }, /no tower "both" to lock: choose one of image, text/],
    [{ layerDecay: 0 }, /layer decay is 0: give a number above 0, up to 1/],
    [{ layerDecay: 1.5 }, /layer decay is 1\.5/],
  ];
  for (const [options, message] of cases) {
    await assert.rejects(Trainer.create(model, { ...uniformOptions, ...options }), {
      name: "RangeError",
      message,
    });
  }
});
