/**
 * The settings of a training: defaults, ranges, and the shapes of a step that follow from them.
 *
 * @module
 */

import { type LossName, lossNames } from "../losses/contrastive.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import { widestActivation } from "../models/dual_encoder.ts";
import { adamWDefaults, type AdamWOptions } from "../optim/adamw.ts";
import { GIBBS_ITERATIONS } from "../selection/gibbs.ts";
import { countedModels, type SamplerName, samplerScore } from "../selection/samplers.ts";
import type { ScoreName } from "../selection/scores.ts";
import type { Precision } from "../models/precision.ts";
import { type FineTuning, towerNames } from "../models/fine_tuning.ts";
import type { StepOptions } from "./step.ts";

/** Settings of a training. */
export interface TrainerOptions extends FineTuning {
  /** Updates of the whole training; the schedule ends with them. */
  readonly steps: number;
  /** Examples trained in a step, b. */
  readonly batch: number;
  /** Examples drawn in a step, S ≥ b; b when left out. */
  readonly superBatch?: number;
  /** How the batch is chosen; `uniform` when left out. */
  readonly sampler?: SamplerName;
  /**
   * What the sampler goes by; its own default when left out, `learnability` for most. `easy-reference` needs no scoring
   * pass of the model, `hard-learner` no reference; `uniform` goes by none.
   */
  readonly score?: ScoreName | null;
  /** Draws that make up a selection, N; for Gibbs sampling the parts whose totals it keeps; 16 when left out. */
  readonly chunks?: number;
  /** Redraws of Gibbs sampling in a step; 2,000 when left out. */
  readonly iterations?: number;
  /**
   * Share of every batch that is drawn uniformly beside what joint or independent selection draws, from 0 up to but not 1;
   * 0 when left out. It keeps the learner in touch with what the reference does not know.
   */
  readonly uniformShare?: number;
  /** Factor on the scores before the draw; 100 when left out, as in the paper. */
  readonly gain?: number;
  /** Seed of the selection. */
  readonly seed: number;
  /** Highest learning rate. */
  readonly learningRate: number;
  /** Share of the steps that warm up; 0.01 when left out. */
  readonly warmUp?: number;
  /** Side of the image patches, in pixels; the model's own when left out. */
  readonly patchSize?: number;
  /**
   * Side of the coarse patches at which super-batches are scored and {@link coarseShare} of every batch is trained, in
   * pixels; `patchSize` when left out (Flexi-JEST, arXiv:2406.17711; the resize is FlexiViT's, arXiv:2212.08013).
   */
  readonly scorePatchSize?: number;
  /**
   * Share of these patches that is dropped, drawn anew for every picture and step, from 0 up to but not 1; 0 when left out
   * (FLIP, arXiv:2212.00794; the paper's alternative to coarser patches).
   */
  readonly scoreDrop?: number;
  /**
   * Share λ of every batch that is trained as coarsely as it is scored, from 0 to 1, so that the learner is also good at what
   * it scores with; 0 when left out, the paper's Flexi-JEST takes ½.
   */
  readonly coarseShare?: number;
  /**
   * Examples whose activations are kept at a time, m ≤ b; b when left out. Less memory for the same gradients, but for
   * their rounding: the loss is taken over all b embeddings first, and the towers are walked back m examples at a time
   * (GradCache, arXiv:2101.06983). Where the score counts the model its embeddings are there already; otherwise the batch is
   * embedded once more.
   */
  readonly microBatch?: number;
  /**
   * How kernels of linear layers and activations are stored; `f32` when left out. `f16` takes about half their memory
   * and needs the adapter's feature `shader-f16`.
   */
  readonly precision?: Precision;
  /** Keep of every transformer block only its input, and compute the rest again in the reverse walk; false when left out. */
  readonly recompute?: boolean;
  /**
   * Keep all that scoring the super-batch computes, and train the selected examples from there in place of computing their
   * forward pass again: F(2 + S/b) a step instead of F(3 + S/b), for activations of S examples in memory instead of b; false
   * when left out. In Flexi-JEST it spares the text tower and the coarse share. Nothing changes where the score counts no
   * learner.
   */
  readonly reuseScoring?: boolean;
  /** What is trained, and what the scores are of; `sigmoid` when left out. */
  readonly loss?: LossName;
  /** Settings of AdamW; the paper's when left out. */
  readonly optimizer?: AdamWOptions;
  /** The reference's learned scale α, bias β and embedding width; needed where the score counts it. */
  readonly reference?: { readonly logitScale: number; readonly logitBias: number; readonly width: number };
}

/** Settings of a training with every default filled in. */
export type ResolvedTrainerOptions =
  & Required<Omit<TrainerOptions, "reference">>
  & Pick<TrainerOptions, "reference">;

/** Steps that the log holds before it must be read. */
export const RING_CAPACITY = 64;
/** Keeps the largest activation of a scoring pass at or below this, unless 64 examples take more. */
const SCORE_BYTES = 32 * 2 ** 20;

/**
 * Fills in defaults and checks ranges.
 *
 * @param config the model that is to be trained
 * @throws RangeError when steps, learning rate, gain or micro-batch are no sensible numbers, or a name is unknown
 * @throws TypeError when the score counts a reference and none is given
 */
export function resolveTrainerOptions(
  options: TrainerOptions,
  config: DualEncoderConfig,
): ResolvedTrainerOptions {
  const chosen = {
    superBatch: options.batch,
    sampler: "uniform" as const,
    chunks: Math.min(16, options.batch),
    iterations: GIBBS_ITERATIONS,
    uniformShare: 0,
    gain: 100,
    warmUp: 0.01,
    patchSize: config.vision.patchSize,
    scorePatchSize: options.patchSize ?? config.vision.patchSize,
    scoreDrop: 0,
    coarseShare: 0,
    microBatch: options.batch,
    precision: "f32" as const,
    recompute: false,
    reuseScoring: false,
    loss: "sigmoid" as const,
    optimizer: adamWDefaults,
    lock: null,
    layerDecay: 1,
    ...given(options),
  };
  const full = { ...chosen, score: samplerScore(chosen.sampler, options.score) };
  if (!lossNames.includes(full.loss)) {
    throw new RangeError(`There is no loss "${full.loss}": choose one of ${lossNames.join(", ")}`);
  }
  if (!Number.isInteger(full.steps) || full.steps < 1) {
    throw new RangeError(`The training has ${full.steps} steps: give a whole number, 1 or more`);
  }
  const { microBatch, batch } = full;
  if (microBatch !== batch && !(Number.isInteger(microBatch) && microBatch >= 1 && microBatch < batch)) {
    throw new RangeError(
      `The micro-batch is ${microBatch}: give a whole number from 1 to the ${batch} examples of a batch`,
    );
  }
  if (full.reuseScoring && (microBatch !== batch || full.recompute)) {
    throw new RangeError(
      `What scoring computed cannot be used again ${
        full.recompute ? "where activations are recomputed" : `in micro-batches of ${microBatch}`
      }: it keeps all of them. Leave one of the two out`,
    );
  }
  if (!(full.coarseShare >= 0 && full.coarseShare <= 1)) {
    throw new RangeError(`The coarse share is ${full.coarseShare}: give a number from 0 to 1`);
  }
  if (!(full.scoreDrop >= 0 && full.scoreDrop < 1)) {
    throw new RangeError(`The share of dropped patches is ${full.scoreDrop}: give 0 or more, below 1`);
  }
  if (full.lock !== null && !towerNames.includes(full.lock)) {
    throw new RangeError(`There is no tower "${full.lock}" to lock: choose one of ${towerNames.join(", ")}`);
  }
  if (!(full.layerDecay > 0 && full.layerDecay <= 1)) {
    throw new RangeError(`The layer decay is ${full.layerDecay}: give a number above 0, up to 1`);
  }
  for (const name of ["learningRate", "gain"] as const) {
    if (!Number.isFinite(full[name])) {
      throw new RangeError(`The option "${name}" is ${full[name]}: give a finite number`);
    }
  }
  if (countedModels(full.score).reference && !full.reference) {
    throw new TypeError(
      `The sampler "${full.sampler}" goes by ${full.score}, which needs a reference: give its scale, bias and width`,
    );
  }
  const { logitScale = 1, logitBias = 0 } = full.reference ?? {};
  if (!(logitScale > 0 && Number.isFinite(logitScale) && Number.isFinite(logitBias))) {
    throw new RangeError(
      `The reference's logit scale is ${logitScale} and its bias ${logitBias}: give finite numbers, α > 0`,
    );
  }
  return full;
}

/** The shapes and rules of the step, on an adapter that can bind so many bytes. */
export function stepOptions(
  full: ResolvedTrainerOptions,
  config: DualEncoderConfig,
  maxBindingBytes: number,
): StepOptions {
  const pairBytes = widestActivation(config, full.scorePatchSize) * 4;
  // Whole multiples of 64 keep the GPU busy; fewer only where the adapter could not bind them.
  const preferred = Math.max(64, Math.floor(SCORE_BYTES / pairBytes / 64) * 64);
  return {
    ...full,
    config,
    referenceWidth: full.reference?.width ?? 4,
    ringCapacity: RING_CAPACITY,
    scoreBatch: Math.max(1, Math.min(preferred, Math.floor(maxBindingBytes / pairBytes))),
  };
}

/** Options without those that are `undefined`, so that these do not override a default. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
