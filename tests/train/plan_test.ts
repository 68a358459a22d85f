/** A plan is what the step then takes; most of it needs no GPU. */
import assert from "node:assert/strict";
import { portableTraits } from "../../src/gpu/device.ts";
import { formatBytes, PlannedMemory, type PlanTarget } from "../../src/gpu/memory.ts";
import { preset } from "../../src/models/config.ts";
import { misfit, planMicroBatch, planStep, type StepPlan } from "../../src/train/plan.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { jointOptions, tinyConfig, tinyModel, uniformOptions } from "./tiny.ts";

const LIMIT = 128 * 2 ** 20;

/** An adapter with a limit. */
const target = (maxBindingBytes: number): PlanTarget => ({
  traits: portableTraits,
  tuned: new Map(),
  maxBindingBytes,
});

for (
  const [name, options] of Object.entries<TrainerOptions>({
    uniform: uniformOptions,
    joint: jointOptions,
    "joint, micro-batched": { ...jointOptions, microBatch: 3 },
    "joint, at two resolutions": { ...jointOptions, patchSize: 2, scorePatchSize: 4, coarseShare: 0.5 },
    "joint, f16": { ...jointOptions, precision: "f16" },
    "uniform, f16, micro-batched, recomputed": {
      ...uniformOptions,
      precision: "f16",
      microBatch: 2,
      recompute: true,
    },
    "uniform, micro-batched, recomputed": { ...uniformOptions, microBatch: 2, recompute: true },
  })
) {
  Deno.test(
    { name: `a plan counts every byte and dispatch of the step: ${name}`, ...sharesDevice },
    async () => {
      const device = await testDevice(), before = device.counters.allocatedBytes;
      const plan = planStep(tinyConfig(), options, device);
      assert.equal(device.counters.allocatedBytes, before, "planning takes no memory");
      using model = tinyModel(device);
      using trainer = await Trainer.create(model, options);
      const { total, ...parts } = plan.bytes;
      assert.equal(total, device.counters.allocatedBytes - before);
      assert.equal(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0), total);
      assert.equal(plan.phases.reduce((sum, { dispatches }) => sum + dispatches, 0), trainer.plan.dispatches);
      const flops = (...names: string[]) =>
        plan.phases.filter(({ name }) => names.includes(name)).reduce((sum, phase) => sum + phase.flops, 0);
      assert.deepEqual({ score: flops("score", "select"), train: flops("embed", "train") }, trainer.flops);
      assert.equal(plan.parameterCount, model.parameters.count);
      assert.equal(misfit(plan, Infinity), null);
    },
  );
}

/** S/16 at 256² pixels, on an adapter with large bindings. */
const large = (options: Partial<TrainerOptions>, limit = 2 ** 40) =>
  planStep(preset("S/16"), { ...uniformOptions, batch: 32, ...options }, target(limit));
const temporaries = ({ bytes }: StepPlan) => bytes.temporaries;

Deno.test("micro-batches and recomputation each lower the planned memory of a deep model, and both most", () => {
  const whole = large({}), parts = large({ microBatch: 4 }), again = large({ recompute: true });
  const both = large({ microBatch: 4, recompute: true });
  // Sums of gradients take as much as the parameters; activations fall to an eighth.
  assert.ok(temporaries(parts) - whole.bytes.parameters < 0.2 * temporaries(whole), "4 of 32");
  assert.ok(temporaries(again) < 0.3 * temporaries(whole), "recomputed");
  assert.ok(temporaries(both) < temporaries(parts) && temporaries(both) < temporaries(again));
  for (const { bytes, unsharedBytes } of [whole, parts, again, both]) {
    assert.ok(bytes.temporaries < unsharedBytes);
  }
  // A micro-batch's own number is no matter: its activations are dead before the next.
  const twice = large({ batch: 64, microBatch: 4 });
  assert.ok(temporaries(twice) < 1.02 * temporaries(parts));
});

Deno.test("half precision lowers the planned memory of a deep model by more than a third", () => {
  const half = { ...target(2 ** 40), traits: { ...portableTraits, halfPrecision: true } };
  const options = { ...uniformOptions, batch: 64 };
  const whole = planStep(preset("S/16"), options, half);
  const stored = planStep(preset("S/16"), { ...options, precision: "f16" }, half);
  assert.ok(temporaries(stored) < 0.65 * temporaries(whole));
  for (const name of ["parameters", "gradients", "moments"] as const) {
    assert.equal(stored.bytes[name], whole.bytes[name], `${name} stay f32`);
  }
});

Deno.test("half precision is refused where the adapter lacks it, with the feature and a way out", () => {
  const refused = { name: "RangeError", message: /f16.*"shader-f16".*--precision f32/ };
  assert.throws(
    () => planStep(tinyConfig(), { ...uniformOptions, precision: "f16" }, target(LIMIT)),
    refused,
  );
  assert.throws(
    () => planStep(tinyConfig(), { ...uniformOptions, precision: "bf16" as "f16" }, target(LIMIT)),
    { name: "RangeError", message: /no precision "bf16".*f32, f16/ },
  );
});

Deno.test("what the adapter cannot bind is named with its phase, and a micro-batch that fits is found", () => {
  const plan = large({ batch: 128 }, LIMIT);
  const [largest] = plan.exceeding;
  assert.equal(largest.sizeBytes, 128 * 256 * 1536 * 4);
  assert.match(
    misfit(plan, Infinity)!,
    /^"image\.block\..*" \(in .*train.*\) takes 192 MiB, and this adapter binds at most 128 MiB$/,
  );
  const options = { ...uniformOptions, batch: 128 };
  const fitting = planMicroBatch(preset("S/16"), options, target(LIMIT));
  assert.equal(fitting.microBatch, 64);
  assert.deepEqual(fitting.exceeding, []);
  const budget = fitting.bytes.total - 1;
  const tighter = planMicroBatch(preset("S/16"), options, target(LIMIT), budget);
  assert.ok(tighter.microBatch < 64 && tighter.bytes.total <= budget);
  assert.equal(
    planMicroBatch(tinyConfig(), uniformOptions, target(LIMIT)).microBatch,
    8,
    "the whole batch when it fits",
  );
});

Deno.test("scoring takes as few examples at a time as the adapter can bind, whatever the model", () => {
  const options: TrainerOptions = {
    ...jointOptions,
    batch: 8,
    superBatch: 100,
    microBatch: 1,
    recompute: true,
  };
  // Three MiB of hidden activations a picture: 42 of them in 128 MiB.
  for (const [name, limit] of [["B/16", LIMIT], ["S/16", LIMIT / 2]] as const) {
    const config = preset(name), reference = { ...jointOptions.reference!, width: config.embedding };
    const plan = planStep(config, { ...options, reference }, target(limit));
    assert.deepEqual(plan.exceeding.filter(({ phases }) => phases.includes("score")), [], name);
  }
});

Deno.test("a budget that nothing fits is refused with what it takes and what to do", () => {
  assert.throws(() => planMicroBatch(tinyConfig(), uniformOptions, target(LIMIT), 1000), {
    name: "RangeError",
    message:
      /^No micro-batch fits: even with \d, the step takes .* KiB, more than the 1000 bytes that it may\. Recompute the activations \(--recompute\), or use a smaller batch/,
  });
  assert.throws(
    () => planMicroBatch(tinyConfig(), { ...uniformOptions, recompute: true }, target(LIMIT), 1000),
    {
      message: /may\. Use a smaller batch, super-batch, image or model\.$/,
    },
  );
});

Deno.test("planned memory holds no data, and says so", async () => {
  const memory = new PlannedMemory(target(16)), buffer = memory.createBuffer("x", 100);
  assert.deepEqual(memory.buffers, [{ label: "x", sizeBytes: 112 }]);
  assert.throws(() => memory.write(buffer), /Cannot write "x": it is only planned/);
  await assert.rejects(memory.read(buffer), /Cannot read "x": it is only planned/);
});

Deno.test("bytes are written with three digits and their unit", () => {
  const written = [0, 1000, 1024, 1536, 1023 * 2 ** 20, 128 * 2 ** 20, 5.004e9].map(formatBytes);
  assert.deepEqual(written, ["0 bytes", "1000 bytes", "1 KiB", "1.5 KiB", "1023 MiB", "128 MiB", "4.66 GiB"]);
});

Deno.test("a plan offers a tuner the shapes that its step has", () => {
  const keys = (options: Partial<TrainerOptions>) => large(options).choices.map(({ key }) => key);
  const whole = keys({}), parts = keys({ microBatch: 4 });
  // 256 patches an example, 32 examples at once or 4; lengths are classed by powers of 2.
  const [all, some] = ["8192×2048×512", "1024×2048×512"].map((shape) => `matmul NN ${shape}, finished`);
  assert.deepEqual([whole.includes(all), whole.includes(some)], [true, false]);
  assert.deepEqual([parts.includes(some)], [true]);
});
