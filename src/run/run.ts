/**
 * `superbatch train`: data → reference → learner → evaluation → report.
 *
 * @module
 */

import { armScore, type TrainOptions, trainOptions } from "../config/train_options.ts";
import { cacheFiles } from "../data/cache.ts";
import type { Device } from "../gpu/device.ts";
import { createRunFolder, type RunFolder } from "../report/run_folder.ts";
import { writeReport } from "../report/write_report.ts";
import { countedModels, type SamplerName } from "../selection/samplers.ts";
import type { FlopCount, RunSummary } from "../train/record.ts";
import { InterruptedError } from "./arm.ts";
import {
  armOptions,
  modelConfig,
  planLine,
  type PlannedOptions,
  planRun,
  referenceNames,
} from "./arm_options.ts";
import { curatePool, type Experiment, newModel, runArm, stoppable } from "./experiment.ts";
import type { RunHooks } from "./hooks.ts";
import { type InitialWeights, withInitial } from "./initial.ts";
import { prepareData } from "./prepare.ts";
import { prepareReference } from "./prepare_reference.ts";
import { searchExamples } from "./search.ts";
import { describeTuning, openTuned } from "./tuning.ts";

/**
 * Runs the default experiment.
 *
 * @returns what `summary.json` holds
 * @throws RangeError when the step fits neither the adapter nor `--memory`, before anything is made
 * @throws {InterruptedError} when the signal came; the run folder says so and holds no summary
 * @throws Error of any stage; the run folder says that it failed
 */
export async function runTraining(given: TrainOptions, hooks: RunHooks): Promise<RunSummary> {
  const started = performance.now(), wanted = await withInitial(given);
  using device = await openTuned(given.cache);
  hooks.log(`Adapter: ${device.adapter.description}`);
  const { options, plan, problem } = planRun(wanted, device);
  if (problem) throw new RangeError(problem);
  hooks.log(planLine(plan, options.batch));
  const folder = await createRunFolder(options.out, options.name);
  try {
    const summary = await runStages(options, hooks, device, folder, started, wanted.initial ?? null);
    await folder.finish(summary);
    return summary;
  } catch (error) {
    await folder.fail(error instanceof InterruptedError ? "interrupted" : "failed", error as Error);
    throw error;
  }
}

async function runStages(
  options: PlannedOptions,
  hooks: RunHooks,
  device: Device,
  folder: RunFolder,
  started: number,
  initial: InitialWeights | null,
): Promise<RunSummary> {
  const drawn = await prepareData(options, stoppable(hooks));
  checkPool(options, drawn.pool.size);
  // Captions are read as the weights read them.
  const data = initial ? drawn.tokenisedBy(initial.notes.tokenizer, initial.config.text) : drawn;
  checkPool(options, data.pool.size);
  const experiment: Experiment = {
    options,
    hooks,
    device,
    data,
    initial,
    files: cacheFiles(options.cache),
    record: {
      onMetrics: (line) => folder.appendMetrics(line),
      onSnapshot: (snapshot) => folder.appendSnapshot(snapshot),
    },
  };
  const { initial: _, ...chosen } = options;
  const resolved = {
    ...chosen,
    model: modelConfig(options),
    data: data.description,
    adapter: device.adapter.description,
    kernels: describeTuning(device),
  };
  await folder.writeConfig(resolved);
  await folder.writeFile("tokenizer.json", data.tokenizerJson);

  const counts = (sampler: SamplerName) =>
    options.curate !== null || countedModels(armScore(sampler, options.score)).reference;
  const compared = options.compare !== null && counts(options.compare);
  using reference = counts(options.sampler) || compared ? await prepareReference(experiment) : null;
  const curated = reference
    ? await curatePool(experiment, reference.embeddings)
    : { experiment, embeddings: null };
  using learner = newModel(experiment, options);
  const result = await runArm(curated.experiment, learner, options.sampler, curated.embeddings);
  await folder.writeFile("learner.safetensors", await learner.save());

  let compare: RunSummary["compare"];
  if (options.compare) {
    using other = newModel(experiment, options);
    const { loss, flops, seconds, last } = await runArm(
      curated.experiment,
      other,
      options.compare,
      curated.embeddings,
    );
    await folder.writeFile(`${options.compare}.safetensors`, await other.save());
    compare = { arm: options.compare, loss, flops, seconds, evaluation: last.evaluation! };
  }
  for (const [at, model] of (reference?.models ?? []).entries()) {
    await folder.writeFile(`${referenceNames(options)[at]}.safetensors`, await model.save());
  }
  const flops: FlopCount = {
    ...result.flops,
    referenceTrain: reference?.flops.train ?? 0,
    referenceScore: reference?.flops.score ?? 0,
  };
  const summary: RunSummary = {
    run: folder.path,
    arm: options.sampler,
    adapter: device.adapter.description,
    precision: options.precision,
    steps: options.steps,
    trainedExamples: result.trainedExamples,
    drawnExamples: result.drawnExamples,
    seconds: (performance.now() - started) / 1000,
    flops,
    loss: result.loss,
    evaluation: result.last.evaluation!,
    ...(reference?.evaluation ? { reference: reference.evaluation } : {}),
    ...(compare ? { compare } : {}),
  };
  hooks.onProgress("report", 0, 0);
  const share = (flags: Uint8Array) => flags.reduce((sum, flag) => sum + flag, 0) / flags.length;
  const { pool } = curated.experiment.data;
  await writeReport(folder, summary, resolved, {
    picture: (index) => pool.pictures.slice(index, 1),
    imageSize: pool.imageSize,
    searches: await searchExamples(learner, data, data.queries, { patchSize: options.patch ?? undefined }),
    ...(pool.flagged ? { poolShares: { inDomain: share(pool.inDomain), clean: share(pool.clean) } } : {}),
    attributions: data.attributions,
    command: commandFor(options),
  });
  return summary;
}

/** Refuses a pool that is smaller than what a step draws, before minutes of work. */
function checkPool(options: PlannedOptions, size: number): void {
  const arms = [options.sampler, ...(options.compare ? [options.compare] : [])];
  const most = Math.max(...arms.map((arm) => {
    const { superBatch, drawn = superBatch } = armOptions(options, arm);
    return drawn;
  }));
  if (most > size) {
    throw new RangeError(
      `A step draws ${most} examples, and the pool holds ${size}: lower --batch or --filter-ratio, or give more data`,
    );
  }
}

/** The command that makes the same run: every option that is not at its default. */
function commandFor(options: PlannedOptions): string {
  const defaults: Record<string, unknown> = trainOptions({});
  const flags = Object.entries(options)
    .filter(([name, value]) =>
      value !== defaults[name] && value !== null && !["out", "name", "initial"].includes(name) &&
      !(name === "imageSize" && options.init !== null)
    )
    .map(([name, value]) => {
      const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      return value === true ? flag : `${flag} ${value}`;
    });
  return ["./superbatch train", ...flags].join(" ");
}
