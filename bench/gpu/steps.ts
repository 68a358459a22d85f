/**
 * Whole training steps: their kernels tuned, then timed and profiled; and joint selection by itself.
 *
 * @module
 */

import { formatBytes } from "../../src/gpu/memory.ts";
import type { Choice } from "../../src/graph/graph.ts";
import { preset, type PresetName } from "../../src/models/config.ts";
import { profileText } from "../../src/report/profile_text.ts";
import { profileStep } from "../../src/run/profile_step.ts";
import { tuneMissing } from "../../src/run/tuning.ts";
import { planMicroBatch } from "../../src/train/plan.ts";
import { selectionProgram } from "../selection_program.ts";
import { programMilliseconds } from "./measure.ts";
import { attempt, data, flopRate, header, row, type SectionContext, write } from "./section.ts";

/** A step as a part's name tells it: `B/16, uniform, b = 256`. */
function stepOf(part: string) {
  const [name, sampler, batch] = part.split(", ");
  const model = name as PresetName, config = preset(model), examples = Number(batch.slice("b = ".length));
  const joint = sampler === "joint";
  return {
    model,
    config,
    batch: examples,
    sampler: joint ? "joint" as const : "uniform" as const,
    // The default experiment leaves out 90 %, the paper 80 %.
    superBatch: joint ? examples * (model === "mini" ? 10 : 5) : examples,
    chunks: joint ? Math.min(examples, model === "mini" ? 8 : 16) : 1,
    patchSize: config.vision.patchSize,
  };
}

/** The step with the largest micro-batch that the adapter can bind and allocate. */
function planOf({ device: { traits, tuned, maxBindingBytes }, largestBuffer, part }: SectionContext) {
  const { config, ...step } = stepOf(part);
  const options = {
    ...step,
    steps: 1,
    seed: 1,
    learningRate: 1e-6,
    reference: { logitScale: 10, logitBias: -10, width: config.embedding },
  };
  const target = { traits, tuned, maxBindingBytes: Math.min(maxBindingBytes, largestBuffer) };
  return planMicroBatch(config, options, target);
}

/** Tunes what the steps of a list, apart by semicolons, leave open, and keeps it for the sections that follow. */
export async function tune(context: SectionContext): Promise<void> {
  const { device, part, cache, left } = context;
  const choices = new Map<string, Choice>();
  for (const step of part.split("; ")) {
    for (const choice of planOf({ ...context, part: step }).choices) choices.set(choice.key, choice);
  }
  header("class", "fastest", "ms", "times the default's speed", "failed, or wrong");
  // The largest first: the time may not do for all.
  const size = ({ key }: Choice) => key.match(/\d+/g)!.map(Number).reduce((a, b) => a * b);
  const ordered = [...choices.values()].toSorted((a, b) => size(b) - size(a));
  await tuneMissing(device, ordered, cache, (key, done, total) => {
    if (left() > 5) return true;
    row(key, `left out with ${total - done - 1} more: the time is spent`);
    return false;
  }, ({ key, winner, times }) => {
    const best = times.find(({ variant }) => variant === winner)!.milliseconds!;
    const failed = times.filter(({ milliseconds }) => milliseconds === null).map(({ variant }) => variant);
    row(key, winner, best.toFixed(3), (times[0].milliseconds! / best).toFixed(2), failed.join(", "));
    data("tuned", { key, winner, times });
  });
}

/** One step: images a second, and where its time goes. */
export async function step(context: SectionContext): Promise<void> {
  const { device, part, quick, peaks } = context;
  const options = stepOf(part), { batch, model } = options;
  const { microBatch, bytes } = planOf(context);
  write(
    `${formatBytes(bytes.total)} planned${microBatch < batch ? `, micro-batches of ${microBatch}` : ""}, ` +
      `${device.tuned.size} classes of kernels tuned`,
  );
  // A large model's step takes long: a few runs tell enough.
  const steps = quick ? 1 : model === "mini" ? undefined : 3;
  const profile = await profileStep(device, { ...options, microBatch, runs: steps }, { peaks });
  const perSecond = batch / profile.step.milliseconds * 1000;
  write(`**${perSecond.toFixed(1)} images/s**\n`);
  data("steps", { name: part, imagesPerSecond: perSecond, microBatch, tuned: device.tuned.size, profile });
  write(`\`\`\`\n${profileText(profile, "op")}\n\`\`\``);
}

/** Selecting a fifth of larger and larger super-batches. */
export async function selection({ device, quick, peaks, left }: SectionContext): Promise<void> {
  header("selection", "ms", "GFLOP/s", "of the peak");
  for (const superBatch of quick ? [256, 1024] : [1024, 2048, 4096, 8192, 16_384, 32_768]) {
    const batch = Math.round(superBatch / 5), name = `${batch} of ${superBatch} in 16 chunks`;
    if (left() < 3) {
      row(name, "left out: the time is spent");
      continue;
    }
    await attempt(name, async () => {
      using program = await selectionProgram(device, superBatch, batch, 16);
      const milliseconds = await programMilliseconds(device, program);
      row(name, milliseconds.toFixed(2), ...flopRate(program.flops() / milliseconds * 1000, peaks));
      data("selection", { superBatch, batch, milliseconds, flops: program.flops() });
    });
  }
}
