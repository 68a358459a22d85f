import { type TrainOptions, trainOptions, type TrainOptionsInput } from "../config/train_options.ts";
import { planLine, planRun } from "../run/arm_options.ts";
import { openTuned } from "../run/tuning.ts";
import { terminalSummary } from "../report/terminal.ts";
import { withInitial } from "../run/initial.ts";
import { runTraining } from "../run/run.ts";
import type { InvocationOf } from "./command_line.ts";
import { announce, dataIntent, ownReferenceIntent } from "./dry_run.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { Progress } from "./progress.ts";

/** `superbatch train`. */
export async function train(
  { json, quiet, dryRun, action: _, ...input }: InvocationOf<"train">,
): Promise<number> {
  const progress = new Progress(undefined, quiet);
  const options = givenOptions(input);
  if (dryRun) return await announceTraining(options, json);
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) Deno.exit(ExitCode.interrupted); // a second Ctrl-C does not wait
    progress.log("Stopping after the present step (Ctrl-C again to stop at once)");
    controller.abort();
  };
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    const summary = await runTraining(options, {
      signal: controller.signal,
      onProgress: (stage, done, total, note) => progress.update(stage, done, total, note),
      log: (line) => progress.log(line),
    });
    progress.close();
    console.log(json ? JSON.stringify(summary) : terminalSummary(summary));
    return ExitCode.ok;
  } finally {
    progress.close();
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}

/** What a run would come to, as planned for this adapter. */
async function announceTraining(options: TrainOptions, json: boolean): Promise<number> {
  using device = await openTuned(options.cache);
  const { plan, options: planned, problem } = planRun(await withInitial(options), device);
  if (problem) throw new RangeError(problem);
  const { reference, scored, steps, sampler, batch, compare, out, name } = options;
  return announce({
    computes: [
      ...await dataIntent(options),
      reference || scored ? `take the reference from ${reference ?? scored}` : ownReferenceIntent(options),
      ...[sampler, ...(compare ? [compare] : [])].map((arm) => `train ${steps} steps of ${batch} by ${arm}`),
      `use: ${planLine(plan, planned.batch)}`,
    ],
    writes: [`${out}/<time>-${name}/`],
  }, json);
}

/**
 * The options of a run from what the command line gave.
 *
 * @throws {UsageError} when they do not fit together
 */
export function givenOptions(input: TrainOptionsInput): TrainOptions {
  try {
    return trainOptions(Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
