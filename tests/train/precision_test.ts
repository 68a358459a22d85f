/** Training in half precision against training in f32: close gradients, the same curve, parameters that stay f32. */
import assert from "node:assert/strict";
import { Device } from "../../src/gpu/device.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { relativeNorm } from "../reference/compare.ts";
import { jointOptions, randomPairs, tinyModel, uniformOptions } from "./tiny.ts";

/** A unit of half precision; stored numbers are off by half of it on average, and errors of random sign hardly grow. */
const UNIT = 2 ** -10;

/** Losses of some steps on the same pairs, and the gradients of the last. */
async function train(options: TrainerOptions, steps: number, pool: "map" | "flatten" = "map") {
  const device = await testDevice();
  using model = tinyModel(device, { pool });
  using trainer = await Trainer.create(model, options);
  const batch = randomPairs(options.superBatch ?? options.batch);
  for (let step = 0; step < steps; step++) trainer.step(batch);
  const log = await trainer.readLog();
  const gradients = await model.parameters.read("gradients");
  return { losses: log.map(({ loss }) => loss), selected: log.map(({ selected }) => selected), gradients };
}

type Gradients = Awaited<ReturnType<typeof train>>["gradients"];

const flat = (gradients: Gradients) => [...gradients.values()].flatMap(({ data }) => [...data]);

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, at) => sum + value * y[at], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

for (const pool of ["map", "flatten"] as const) {
  Deno.test(
    { name: `gradients in f16 are those in f32 to a few units, ${pool}`, ...sharesDevice },
    async () => {
      const whole = await train(uniformOptions, 1, pool);
      const half = await train({ ...uniformOptions, precision: "f16" }, 1, pool);
      assert.notDeepEqual(half.gradients, whole.gradients, "it is another precision");
      assert.ok(Math.abs(half.losses[0] - whole.losses[0]) < 4 * UNIT * whole.losses[0]);
      const error = relativeNorm(flat(half.gradients), flat(whole.gradients));
      assert.ok(error < 4 * UNIT, `relative error of the gradient: ${error}`);
      assert.ok(cosine(flat(half.gradients), flat(whole.gradients)) > 1 - (4 * UNIT) ** 2);
      for (const [name, { data }] of whole.gradients) {
        // A gradient that vanishes by symmetry, such as the key bias's, has no relative precision.
        const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        if (largest < 1e-5) continue;
        const error = relativeNorm(half.gradients.get(name)!.data, data);
        assert.ok(error < 20 * UNIT, `relative error of the gradient of ${name}: ${error}`);
      }
    },
  );
}

Deno.test(
  { name: "the loss falls in f16 as in f32: within 1 % at every step of 60", ...sharesDevice },
  async () => {
    const options = { ...uniformOptions, learningRate: 3e-3, warmUp: 0.1 };
    const whole = await train(options, 60), half = await train({ ...options, precision: "f16" }, 60);
    assert.ok(whole.losses.at(-1)! < 0.7 * whole.losses[0], `the loss falls: ${whole.losses.at(-1)}`);
    whole.losses.forEach((loss, step) =>
      assert.ok(
        Math.abs(half.losses[step] - loss) < 0.01 * loss,
        `step ${step + 1}: ${half.losses[step]}, in f32 ${loss}`,
      )
    );
  },
);

Deno.test({
  name: "in f16, recomputed blocks change no bit and micro-batches only the rounding",
  ...sharesDevice,
}, async () => {
  const half: TrainerOptions = { ...jointOptions, precision: "f16" };
  const plain = await train(half, 2);
  const again = await train({ ...half, recompute: true }, 2);
  assert.deepEqual(again, plain);
  const parts = await train({ ...half, microBatch: 3 }, 1), first = await train(half, 1);
  assert.deepEqual(parts.selected, first.selected);
  const error = relativeNorm(flat(parts.gradients), flat(first.gradients));
  assert.ok(error < 1e-5, `relative error of the gradient: ${error}`);
});

Deno.test({
  name: "parameters that are too small a step apart for half precision still move",
  ...sharesDevice,
}, async () => {
  const device = await testDevice();
  using model = tinyModel(device);
  const before = (await model.parameters.read()).get("image.block.0.mlp.in.weight")!.data;
  using trainer = await Trainer.create(model, {
    ...uniformOptions,
    precision: "f16",
    learningRate: 1e-6,
    warmUp: 0,
  });
  trainer.step(randomPairs(8));
  await trainer.readLog();
  const after = (await model.parameters.read()).get("image.block.0.mlp.in.weight")!.data;
  const changed = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Array.from(a).filter((value, at) => value !== b[at]).length / a.length;
  assert.ok(changed(after, before) > 0.9, "in f32");
  assert.ok(changed(new Float16Array(after), new Float16Array(before)) < 0.1, "rounded");
});

Deno.test(
  { name: "a number beyond half precision ends the training with a way out", ...sharesDevice },
  async () => {
    const device = await testDevice();
    const run = async (precision: "f32" | "f16") => {
      using model = tinyModel(device);
      model.parameters.write("image.block.0.mlp.in.weight", new Float32Array(16 * 64).fill(1e5));
      using trainer = await Trainer.create(model, { ...uniformOptions, precision });
      trainer.step(randomPairs(8));
      return await trainer.readLog();
    };
    assert.equal((await run("f32")).length, 1);
    await assert.rejects(run("f16"), { name: "DivergenceError", message: /step 1:.*--precision f32/ });
  },
);

Deno.test({
  name: "a device without shader-f16 refuses f16 before it takes memory, and trains in f32",
  ...sharesDevice,
}, async () => {
  using device = await Device.open({ without: ["shader-f16"] });
  assert.deepEqual([device.has("shader-f16"), device.traits.halfPrecision], [false, false]);
  using model = tinyModel(device);
  const { allocatedBytes, buffersCreated } = device.counters;
  await assert.rejects(Trainer.create(model, { ...uniformOptions, precision: "f16" }), {
    name: "RangeError",
    message: /f16.*"shader-f16".*--precision f32/,
  });
  assert.deepEqual({ ...device.counters, allocatedBytes, buffersCreated }, { ...device.counters });
  using trainer = await Trainer.create(model, uniformOptions);
  trainer.step(randomPairs(8));
  assert.equal((await trainer.readLog()).length, 1);
});
