/**
 * What the options of a run mean for its model and for each of its arms.
 *
 * @module
 */

import { armScore, type TrainOptions } from "../config/train_options.ts";
import { splitSources } from "../data/sources/open_source.ts";
import { formatBytes, type PlanTarget } from "../gpu/memory.ts";
import { type DualEncoderConfig, preset } from "../models/config.ts";
import { adamWDefaults } from "../optim/adamw.ts";
import { misfit, planMicroBatch, planStep, type StepPlan } from "../train/plan.ts";
import { countedModels, type SamplerName, samplers } from "../selection/samplers.ts";
import type { Arm } from "../train/record.ts";
import type { ArmOptions } from "./arm.ts";
import type { InitialWeights } from "./initial.ts";

/** Options whose micro-batch is a number by now. */
export type PlannedOptions = Omit<TrainOptions, "microBatch"> & {
  readonly microBatch: number | null;
  /** What the model looks like that the run starts from; by the preset when left out. */
  readonly initial?: Pick<InitialWeights, "config" | "key">;
};

/** What decides a run's data. */
export type DataOptions = Omit<TrainOptions, "microBatch"> & Pick<PlannedOptions, "initial">;

/** The model that a run trains. */
export function modelConfig(options: TrainOptions | PlannedOptions): DualEncoderConfig {
  if ("initial" in options && options.initial) return options.initial.config;
  const { preset: name, imageSize, batch, patch } = options;
  const config = preset(name);
  const { vision } = config;
  return {
    ...config,
    // A head that flattens its tokens has a weight for each, so it is stored at the size asked for.
    vision: { ...vision, imageSize, ...(vision.pool === "flatten" && patch ? { patchSize: patch } : {}) },
    // At small batches SigLIP's −10 wastes hundreds of steps; −ln b is where the loss of unrelated pairs is least.
    ...(vision.pool === "flatten" ? { initialBias: -Math.log(batch) } : {}),
  };
}

/** The options by which a run's reference is trained. */
export function referenceOptions(options: PlannedOptions): PlannedOptions {
  return {
    ...options,
    preset: options.referencePreset ?? options.preset,
    batch: options.referenceBatch ?? options.batch,
    beta2: adamWDefaults.beta2, // the learner's alone is varied
  };
}

/** The options of each of the references that a run trains: one for every set that is named, as often as is asked for. */
export function ownReferences(options: PlannedOptions): PlannedOptions[] {
  return referenceSets(options).flatMap((referenceData) =>
    Array.from(
      { length: options.references },
      (_, at) => ({ ...options, referenceData, references: 1, seed: options.seed + at }),
    )
  );
}

/** The sets that a run's own references are trained on, a reference or more on each. */
function referenceSets(
  { referenceData }: Pick<TrainOptions, "referenceData">,
): TrainOptions["referenceData"][] {
  return referenceData === "curated+pool" ? ["curated", "pool"] : [referenceData];
}

/** What a run calls the models that its reference is made of. */
export function referenceNames(
  options: Pick<TrainOptions, "reference" | "references" | "referenceData">,
): string[] {
  const { reference, references } = options;
  const length = reference === null
    ? referenceSets(options).length * references
    : splitSources(reference).length;
  return length === 1 ? ["reference"] : Array.from({ length }, (_, at) => `reference-${at + 1}`);
}

/** How an arm of a run trains; what it trains on, the reference's embeddings among it, is added by the run. */
export function armOptions(options: PlannedOptions, arm: Arm): Omit<ArmOptions, "reference"> {
  const {
    batch,
    filterRatio,
    chunks,
    gain,
    seed,
    patch,
    scorePatch,
    scoreDrop,
    learningRate,
    warmUp,
    precision,
    recompute,
    reuseScoring,
    loss,
    iterations,
    uniformShare,
    prefilter,
    beta2,
    lock,
    layerDecay,
  } = options;
  const sampler = arm === "reference" ? "uniform" : arm, score = armScore(sampler, options.score);
  const scored = samplers[sampler].scores !== null;
  const drawn = scored ? Math.round(batch / (1 - filterRatio)) : batch;
  const prefiltered = prefilter > 0 && score === "learnability";
  const patchSize = patch ?? modelConfig(options).vision.patchSize;
  // Only what the learner scores is seen coarsely: the reference and uniform arms see all at full resolution.
  const coarse = countedModels(score).learner && (scorePatch !== null || scoreDrop > 0)
    ? { scorePatchSize: scorePatch ?? patchSize, scoreDrop, coarseShare: options.coarseShare ?? 0.5 }
    : {};
  return {
    arm,
    sampler,
    score,
    loss,
    iterations,
    uniformShare,
    optimizer: { ...adamWDefaults, beta2 },
    lock,
    layerDecay,
    steps: arm === "reference" ? options.referenceSteps : options.steps,
    batch,
    superBatch: prefiltered ? Math.max(batch, Math.round(drawn * (1 - prefilter))) : drawn,
    ...(prefiltered ? { drawn } : {}),
    chunks: samplers[sampler].chunked ? chunks : 1,
    gain,
    seed,
    learningRate,
    patchSize,
    ...coarse,
    warmUp,
    microBatch: options.microBatch ?? batch,
    precision,
    recompute,
    reuseScoring: reuseScoring && countedModels(score).learner,
    evaluations: arm === "reference" ? 0 : 8,
  };
}

/** A run's step with its micro-batch settled. */
export interface RunPlan {
  readonly options: PlannedOptions;
  /** Of the arm that takes most: that which scores, if one does. */
  readonly plan: StepPlan;
  /** Why the plan does not fit the adapter or `--memory`, and what to do; null when it does. */
  readonly problem: string | null;
}

/**
 * Plans the step of a run, and chooses its micro-batch when that is left to `auto`.
 *
 * @param given.initial the model that the run starts from, if it starts from one
 * @param target the adapter that is planned for
 * @throws RangeError when `auto` finds no micro-batch that fits
 */
export function planRun(
  given: TrainOptions & Pick<PlannedOptions, "initial">,
  target: PlanTarget,
): RunPlan {
  const { microBatch, memory } = given, budget = memory ?? Infinity;
  const options: PlannedOptions = { ...given, microBatch: microBatch === "auto" ? null : microBatch };
  const config = modelConfig(options);
  const arm = largestArm(given), { score } = armOptions(options, arm);
  const width = modelConfig(referenceOptions(options)).embedding * referenceNames(options).length;
  const reference = { logitScale: 1, logitBias: 0, width };
  const step = {
    ...armOptions(options, arm),
    ...(countedModels(score ?? null).reference ? { reference } : {}),
  };
  const fitting = () => planMicroBatch(config, step, target, budget);
  if (microBatch === "auto") {
    const plan = fitting();
    return { options: { ...options, microBatch: plan.microBatch }, plan, problem: null };
  }
  const plan = planStep(config, step, target);
  const reason = misfit(plan, budget);
  if (!reason) return { options, plan, problem: null };
  let advice: string;
  try {
    advice = `Use --micro-batch ${fitting().microBatch}, which fits, or auto.`;
  } catch (error) {
    advice = (error as Error).message;
  }
  return { options, plan, problem: `This does not fit: ${reason}. ${advice}` };
}

/** The arm that takes most: one that scores with the learner, else one that draws a super-batch. */
function largestArm({ sampler, compare, score }: TrainOptions): Arm {
  const weight = (name: SamplerName) =>
    Number(samplers[name].scores !== null) + Number(countedModels(armScore(name, score)).learner);
  return compare && weight(compare) > weight(sampler) ? compare : sampler;
}

/** A plan in one line. */
export function planLine({ bytes, microBatch }: StepPlan, batch: number): string {
  const { total, parameters, gradients, moments, temporaries } = bytes;
  return `Memory: ${formatBytes(total)} planned (${
    formatBytes(parameters + gradients + moments)
  } model and optimiser, ${formatBytes(temporaries)} activations)${
    microBatch < batch ? `, micro-batches of ${microBatch}` : ""
  }`;
}
