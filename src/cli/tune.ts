import type { Device } from "../gpu/device.ts";
import type { Tuned } from "../graph/tuner.ts";
import { planRun } from "../run/arm_options.ts";
import { withInitial } from "../run/initial.ts";
import { keepTuning, keptTuning, openTuned, tuneMissing } from "../run/tuning.ts";
import type { InvocationOf } from "./command_line.ts";
import { cacheFolder } from "../data/cache.ts";
import { announce } from "./dry_run.ts";
import { ExitCode } from "./errors.ts";
import { Progress } from "./progress.ts";
import { givenOptions } from "./train.ts";

/** `superbatch tune`: measures the kernels of a training step, or shows or forgets what was measured. */
export async function tune(
  { show, reset, json, quiet, dryRun, action: _, ...input }: InvocationOf<"tune">,
): Promise<number> {
  // Nothing is drawn from a pool, so none is too small.
  const options = givenOptions({ ...input, poolSize: Number.MAX_SAFE_INTEGER });
  using device = await openTuned(options.cache);
  if (dryRun && !show) {
    const { plan, problem } = planRun(options, device);
    if (problem) throw new RangeError(problem);
    const work = reset
      ? "forget what was tuned"
      : `time the variants of ${plan.choices.length} choices, where not yet known,`;
    return announce({
      computes: [`${work} for ${device.adapter.description}`],
      writes: [`the tuning in ${cacheFolder(options.cache)}`],
    }, json);
  }
  if (reset) {
    await keepTuning(device, [], options.cache);
    console.log(`Forgot what was tuned for ${device.adapter.description}`);
    return ExitCode.ok;
  }
  if (!show) {
    const { plan, problem } = planRun(await withInitial(options), device);
    if (problem) throw new RangeError(problem);
    const progress = new Progress(undefined, quiet);
    try {
      await tuneMissing(
        device,
        plan.choices,
        options.cache,
        (key, done, total) => progress.update("Tuning", done, total, key),
      );
    } finally {
      progress.close();
    }
  }
  const kept = await keptTuning(device, options.cache);
  if (json) console.log(JSON.stringify({ adapter: device.adapter.description, tuned: kept }));
  else print(device, kept);
  return ExitCode.ok;
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
