import type { Device } from "../gpu/device.ts";
import { tune as measure, type Tuned } from "../graph/tuner.ts";
import { preset } from "../models/config.ts";
import { DualEncoder } from "../models/model.ts";
import { keepTuning, keptTuning, openTuned } from "../run/tuning.ts";
import { Trainer } from "../train/trainer.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode } from "./errors.ts";
import { Progress } from "./progress.ts";

/** `superbatch tune`: measures the kernels of a training step, or shows or forgets what was measured. */
export async function tune(options: InvocationOf<"tune">): Promise<number> {
  using device = await openTuned(options.cache);
  if (options.reset) {
    await keepTuning(device, [], options.cache);
    console.log(`Forgot what was tuned for ${device.adapter.description}`);
    return ExitCode.ok;
  }
  if (!options.show) await measureStep(device, options);
  const kept = await keptTuning(device, options.cache);
  if (options.json) console.log(JSON.stringify({ adapter: device.adapter.description, tuned: kept }));
  else print(device, kept);
  return ExitCode.ok;
}

/** Tunes every choice that a training step of the model makes and that is not kept yet. */
async function measureStep(
  device: Device,
  { preset: name, batch, filterRatio, patch, precision, cache, quiet }: InvocationOf<"tune">,
): Promise<void> {
  const config = preset(name);
  using model = DualEncoder.create(device, config, { seed: 1 });
  using trainer = await Trainer.create(model, {
    steps: 1,
    batch,
    superBatch: Math.round(batch / (1 - filterRatio)),
    sampler: filterRatio > 0 ? "joint" : "uniform",
    chunks: Math.min(8, batch),
    patchSize: patch ?? config.vision.patchSize,
    precision,
    seed: 1,
    learningRate: 1e-3,
    reference: { logitScale: 10, logitBias: -10, width: config.embedding },
  });
  const missing = trainer.choices.filter(({ key }) => !device.tuned.has(key));
  const progress = new Progress(undefined, quiet);
  try {
    // Kept one by one, so that an interruption loses nothing.
    for (const [at, choice] of missing.entries()) {
      progress.update("Tuning", at, missing.length, choice.key);
      await keepTuning(device, await measure(device, [choice]), cache);
    }
    progress.update("Tuning", missing.length, missing.length);
  } finally {
    progress.close();
  }
}

function print(device: Device, kept: readonly Tuned[]): void {
  if (kept.length === 0) {
    console.log(`Nothing is tuned for ${device.adapter.description}: run superbatch tune`);
    return;
  }
  console.log(`${device.adapter.description}, ${kept.length} classes of shapes\n`);
  console.log(`${"class".padEnd(44)} ${"fastest".padEnd(34)}       ms  times the default's speed`);
  for (const { key, winner, times } of kept.toSorted((a, b) => a.key < b.key ? -1 : 1)) {
    const best = times.find(({ variant }) => variant === winner)?.milliseconds ?? NaN;
    const gain = (times[0].milliseconds ?? NaN) / best;
    console.log(`${key.padEnd(44)} ${winner.padEnd(34)} ${best.toFixed(3).padStart(8)}  ${gain.toFixed(2)}`);
  }
}
