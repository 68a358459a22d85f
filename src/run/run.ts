/**
 * `superbatch train`: data → reference → learner → evaluation → report.
 *
 * @module
 */

import { type TrainOptions, trainOptions } from "../config/train_options.ts";
import { cacheFiles, type KeptFiles } from "../data/cache.ts";
import type { Device } from "../gpu/device.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import { DualEncoder } from "../models/model.ts";
import { createRunFolder, type RunFolder } from "../report/run_folder.ts";
import { writeReport } from "../report/write_report.ts";
import { openTuned } from "./tuning.ts";
import type { Arm, Evaluation, FlopCount, RunSummary } from "../train/record.ts";
import { type ArmOptions, type ArmResult, InterruptedError, trainArm } from "./arm.ts";
import { armOptions, modelConfig, planLine, type PlannedOptions, planRun } from "./arm_options.ts";
import { evaluate } from "./evaluate.ts";
import type { RunHooks } from "./hooks.ts";
import { prepareData, type PreparedData } from "./prepare.ts";
import {
  contentKey,
  type EmbeddingSet,
  keepReference,
  keptReference,
  referenceEmbeddings,
} from "./reference.ts";
import { searchExamples } from "./search.ts";

/** Everything that the stages of one run share. */
interface RunContext {
  readonly options: PlannedOptions;
  readonly hooks: RunHooks;
  readonly device: Device;
  readonly data: PreparedData;
  readonly config: DualEncoderConfig;
  readonly folder: RunFolder;
  readonly files: KeptFiles;
}

/** A reference with what making it cost. */
interface PreparedReference {
  readonly model: DualEncoder;
  readonly embeddings: EmbeddingSet;
  readonly evaluation: Evaluation;
  readonly flops: { readonly train: number; readonly score: number };
}

/**
 * Runs the default experiment.
 *
 * @returns what `summary.json` holds
 * @throws RangeError when the step fits neither the adapter nor `--memory`, before anything is made
 * @throws {InterruptedError} when the signal came; the run folder says so and holds no summary
 * @throws Error of any stage; the run folder says that it failed
 */
export async function runTraining(given: TrainOptions, hooks: RunHooks): Promise<RunSummary> {
  const started = performance.now();
  using device = await openTuned(given.cache);
  hooks.log(`Adapter: ${device.adapter.description}`);
  const { options, plan, problem } = planRun(given, device);
  if (problem) throw new RangeError(problem);
  hooks.log(planLine(plan, options.batch));
  const folder = await createRunFolder(options.out, options.name);
  try {
    const summary = await runStages(options, hooks, device, folder, started);
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
): Promise<RunSummary> {
  const data = await prepareData(options, stoppable(hooks));
  const config = modelConfig(options);
  const context: RunContext = {
    options,
    hooks,
    device,
    data,
    config,
    folder,
    files: cacheFiles(options.cache),
  };
  const resolved = { ...options, model: config, data: data.description };
  await folder.writeConfig(resolved);
  await folder.writeFile("tokenizer.json", data.tokenizerJson);

  const reference = await prepareReference(context);
  using learner = newModel(context);
  const result = await runArm(context, learner, mainArm(options), reference.embeddings);
  await folder.writeFile("learner.safetensors", await learner.save());

  let compare: RunSummary["compare"];
  if (options.compare) {
    using other = newModel(context);
    const { loss, flops, seconds, last } = await runArm(
      context,
      other,
      options.compare,
      reference.embeddings,
    );
    await folder.writeFile(`${options.compare}.safetensors`, await other.save());
    compare = { arm: options.compare, loss, flops, seconds, evaluation: last.evaluation! };
  }
  await folder.writeFile("reference.safetensors", await reference.model.save());
  const scored = mainArm(options) === "joint";
  const flops: FlopCount = {
    ...result.flops,
    referenceTrain: scored || compare ? reference.flops.train : 0,
    referenceScore: scored ? reference.flops.score : 0,
  };
  const summary: RunSummary = {
    run: folder.path,
    adapter: device.adapter.description,
    precision: options.precision,
    steps: options.steps,
    trainedExamples: result.trainedExamples,
    drawnExamples: result.drawnExamples,
    seconds: (performance.now() - started) / 1000,
    flops,
    loss: result.loss,
    evaluation: result.last.evaluation!,
    reference: reference.evaluation,
    ...(compare ? { compare } : {}),
  };
  hooks.onProgress("report", 0, 0);
  const length = data.pool.pixels.length / data.pool.size;
  const share = (flags: Uint8Array) => flags.reduce((sum, flag) => sum + flag, 0) / flags.length;
  await writeReport(folder, summary, resolved, {
    picture: (index) => data.pool.pixels.subarray(index * length, (index + 1) * length),
    imageSize: data.pool.imageSize,
    searches: await searchExamples(learner, data, reportQueries, { patchSize: options.patch ?? undefined }),
    poolShares: { inDomain: share(data.pool.inDomain), clean: share(data.pool.clean) },
    attributions: data.attributions,
    command: commandFor(options),
  });
  reference.model[Symbol.dispose]();
  return summary;
}

const reportQueries = ["red heart", "smiling face", "dog", "airplane", "pizza", "moon"];

/** The command that makes the same run: every option that is not at its default. */
function commandFor(options: PlannedOptions): string {
  const defaults: Record<string, unknown> = trainOptions({});
  const flags = Object.entries(options)
    .filter(([name, value]) =>
      value !== defaults[name] && value !== null && name !== "out" && name !== "name"
    )
    .map(([name, value]) => {
      const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      return value === true ? flag : `${flag} ${value}`;
    });
  return ["./superbatch train", ...flags].join(" ");
}

/** Hooks through which a signal ends a stage that only reports its progress; training arms look at it themselves. */
function stoppable(hooks: RunHooks): RunHooks {
  return {
    ...hooks,
    onProgress(stage, done, total, note) {
      if (hooks.signal.aborted) throw new InterruptedError(`Stopped in "${stage}" at ${done} of ${total}`);
      hooks.onProgress(stage, done, total, note);
    },
  };
}

/** The arm that a run is about. */
function mainArm({ sampler }: PlannedOptions): Arm {
  return sampler === "uniform" ? "uniform" : "joint";
}

function newModel({ device, config, options }: RunContext): DualEncoder {
  return DualEncoder.create(device, config, { seed: options.seed, notes: { preset: options.preset } });
}

async function prepareReference(context: RunContext): Promise<PreparedReference> {
  const { options, hooks, device, data, config, files } = context;
  const { referenceSteps: steps, batch, seed, learningRate, patch, precision, warmUp } = options;
  const training = {
    config,
    data: data.reference.hash,
    steps,
    batch,
    seed,
    learningRate,
    warmUp,
    patch,
    ...(precision === "f32" ? {} : { precision }),
    version: 1,
  };
  const key = await contentKey(training);
  let model = await keptReference(device, files, key);
  let trained = 0;
  if (model) hooks.log("Reference: kept from an earlier run");
  else {
    model = newModel(context);
    const result = await runArm(context, model, "reference", null);
    trained = result.flops.referenceTrain;
    await keepReference(files, key, model);
  }
  const { embeddings, computed } = await referenceEmbeddings(
    model,
    data.pool,
    files,
    key,
    {
      patchSize: options.patch ?? undefined,
      onProgress: (done, total) =>
        stoppable(hooks).onProgress("embed the pool by the reference", done, total),
    },
  );
  const score = computed ? data.pool.size * model.forwardFlops(options.patch ?? undefined) : 0;
  const evaluation = await evaluate(model, data.test, options.patch ?? undefined);
  return { model, embeddings, evaluation, flops: { train: trained, score } };
}

async function runArm(
  { options, hooks, data, folder }: RunContext,
  model: DualEncoder,
  arm: Arm,
  embeddings: EmbeddingSet | null,
): Promise<ArmResult> {
  const settings: ArmOptions = {
    ...armOptions(options, arm),
    ...(arm === "joint" ? { reference: embeddings! } : {}),
  };
  const stage = arm === "reference"
    ? "train the reference"
    : arm === "joint"
    ? "train with JEST"
    : "train uniformly";
  return await trainArm(model, arm === "reference" ? data.reference : data.pool, data.test, settings, {
    onStep: (done, total, note) => hooks.onProgress(stage, done, total, note),
    onMetrics: (line) => folder.appendMetrics(line),
    onSnapshot: (snapshot) => folder.appendSnapshot(snapshot),
    signal: hooks.signal,
  });
}
