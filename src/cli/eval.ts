import { openTuned } from "../run/tuning.ts";
import { readRun } from "../report/run_folder.ts";
import { evaluationTable } from "../report/terminal.ts";
import { evaluate } from "../run/evaluate.ts";
import { loadRunModel, savedOptions } from "../run/saved_run.ts";
import { prepareData } from "../run/prepare.ts";
import type { Evaluation } from "../eval/evaluation.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode } from "./errors.ts";
import { Progress } from "./progress.ts";

/** `superbatch eval RUN`. */
export async function evaluateRun({ run: path, json, quiet }: InvocationOf<"eval">): Promise<number> {
  const progress = new Progress(undefined, quiet);
  const run = await readRun(path);
  const options = savedOptions(run);
  using device = await openTuned();
  const data = await prepareData(options, {
    onProgress: (stage, done, total) => progress.update(stage, done, total),
    log: (line) => progress.log(line),
    signal: AbortSignal.any([]),
  });
  const results: Record<string, Evaluation> = {};
  for (
    const name of [
      "learner",
      ...(run.summary.compare ? [run.summary.compare.arm] : []),
      ...(run.summary.reference ? ["reference"] : []),
    ]
  ) {
    using model = await loadRunModel(device, path, name);
    // A model that was brought along, or began as one, reads captions by its own tokenizer; a reference sees its own patches.
    const brought = name === "reference" && options.reference !== null;
    const { test } = brought || options.init !== null
      ? data.tokenisedBy(model.notes.tokenizer, model.config.text)
      : data;
    results[name] = await evaluate(model, test, brought ? undefined : options.patch ?? undefined);
  }
  progress.close();
  console.log(json ? JSON.stringify(results) : evaluationTable(results));
  return ExitCode.ok;
}
