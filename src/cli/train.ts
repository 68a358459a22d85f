import { type TrainOptions, trainOptions, type TrainOptionsInput } from "../config/train_options.ts";
import { terminalSummary } from "../report/terminal.ts";
import { runTraining } from "../run/run.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { Progress } from "./progress.ts";

/** `superbatch train`. */
export async function train({ json, quiet, action: _, ...input }: InvocationOf<"train">): Promise<number> {
  const progress = new Progress(undefined, quiet);
  const options = givenOptions(input);
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
