/**
 * Training steps of the default experiment's model: rates, and their share of the measured multiply-add peak.
 *
 *     deno bench -A bench/step_bench.ts
 *
 * A step is what `Trainer.step` submits, uploads included. Ten steps run before the wait, as in a training.
 */
import { Device } from "../src/gpu/device.ts";
import { measureFma } from "../src/gpu/peaks.ts";
import { preset } from "../src/models/config.ts";
import { DualEncoder } from "../src/models/model.ts";
import { randomSuperBatch } from "../src/train/random_batch.ts";
import { Trainer, type TrainerOptions } from "../src/train/trainer.ts";

const STEPS = 10, BATCH = 64, SUPER_BATCH = 640;

const device = await Device.open(), config = preset("mini"), width = config.embedding;
const peak = await measureFma(device);

const common = { steps: 1e9, batch: BATCH, seed: 1, learningRate: 1e-6 };
const cases: [name: string, options: TrainerOptions][] = [
  [`uniform, ${BATCH} pairs`, common],
  [`joint, ${BATCH} of ${SUPER_BATCH} pairs in 8 chunks`, {
    ...common,
    superBatch: SUPER_BATCH,
    sampler: "joint",
    chunks: 8,
    reference: { logitScale: 10, logitBias: -5, width },
  }],
];
const rates: { name: string; flops: number; stepsPerSecond: number }[] = [];
for (const [name, options] of cases) {
  const model = DualEncoder.create(device, config, { seed: 1 });
  const trainer = await Trainer.create(model, options);
  const superBatch = randomSuperBatch(config, options.superBatch ?? options.batch, width, 1);
  trainer.step(superBatch); // the driver compiles at the first run
  await trainer.readLog();
  const rate = { name, flops: trainer.flops.score + trainer.flops.train, stepsPerSecond: 0 };
  rates.push(rate);
  Deno.bench({ name: `${name}, ${STEPS} steps`, n: 5, warmup: 0 }, async () => {
    const start = performance.now();
    for (let step = 0; step < STEPS; step++) trainer.step(superBatch);
    await trainer.readLog();
    rate.stepsPerSecond = Math.max(rate.stepsPerSecond, STEPS / ((performance.now() - start) / 1000));
  });
}

globalThis.addEventListener("unload", () => {
  console.log(
    `\n${device.adapter.description}: shares of ${(peak / 1e9).toFixed(1)} GFLOP/s, the multiply-add peak`,
  );
  for (const { name, flops, stepsPerSecond } of rates) {
    const rate = stepsPerSecond * flops;
    console.log(
      `${name.padEnd(40)} ${stepsPerSecond.toFixed(1).padStart(8)} steps/s ${
        (rate / 1e9).toFixed(2).padStart(8)
      } GFLOP/s ${(100 * rate / peak).toFixed(1).padStart(6)} %`,
    );
  }
});
