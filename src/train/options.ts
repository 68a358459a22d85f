/**
 * The settings of a training: defaults, ranges, and the shapes of a step that follow from them.
 *
 * @module
 */

import type { LossName } from "../losses/contrastive.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import { widestActivation } from "../models/dual_encoder.ts";
import { adamWDefaults, type AdamWOptions } from "../optim/adamw.ts";
import { type SamplerName, samplerNames, samplers } from "../selection/samplers.ts";
import type { Precision } from "../models/precision.ts";
import type { StepOptions } from "./step.ts";

/** Settings of a training. */
export interface TrainerOptions {
  /** Updates of the whole training; the schedule ends with them. */
  readonly steps: number;
  /** Examples trained in a step, b. */
  readonly batch: number;
  /** Examples drawn in a step, S ≥ b; b when left out. */
  readonly superBatch?: number;
  /** How the batch is chosen; `uniform` when left out. */
  readonly sampler?: SamplerName;
  /** Draws that make up a selection, N; 16 when left out. */
  readonly chunks?: number;
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
   * Examples whose activations are kept at a time, m ≤ b; b when left out. Less memory for the same gradients, but for
   * their rounding: the loss is taken over all b embeddings first, and the towers are walked back m examples at a time
   * (GradCache, arXiv:2101.06983). A sampler that scores has the embeddings already; others embed the batch once more.
   */
  readonly microBatch?: number;
  /**
   * How kernels of linear layers and activations are stored; `f32` when left out. `f16` takes about half their memory
   * and needs the adapter's feature `shader-f16`.
   */
  readonly precision?: Precision;
  /** Keep of every transformer block only its input, and compute the rest again in the reverse walk; false when left out. */
  readonly recompute?: boolean;
  /** `sigmoid` when left out. */
  readonly loss?: LossName;
  /** Settings of AdamW; the paper's when left out. */
  readonly optimizer?: AdamWOptions;
  /** The reference's learned scale α, bias β and embedding width; needed by samplers that score. */
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
 * @throws RangeError when steps, learning rate, gain or micro-batch are no sensible numbers
 * @throws TypeError when the sampler needs a reference and none is given
 */
export function resolveTrainerOptions(
  options: TrainerOptions,
  config: DualEncoderConfig,
): ResolvedTrainerOptions {
  const full = {
    superBatch: options.batch,
    sampler: "uniform" as const,
    chunks: Math.min(16, options.batch),
    gain: 100,
    warmUp: 0.01,
    patchSize: config.vision.patchSize,
    microBatch: options.batch,
    precision: "f32" as const,
    recompute: false,
    loss: "sigmoid" as const,
    optimizer: adamWDefaults,
    ...given(options),
  };
  if (!Object.hasOwn(samplers, full.sampler)) {
    throw new RangeError(`There is no sampler "${full.sampler}": choose one of ${samplerNames.join(", ")}`);
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
  for (const name of ["learningRate", "gain"] as const) {
    if (!Number.isFinite(full[name])) {
      throw new RangeError(`The option "${name}" is ${full[name]}: give a finite number`);
    }
  }
  if (samplers[full.sampler].scores && !full.reference) {
    throw new TypeError(
      `The sampler "${full.sampler}" scores with a reference: give its scale, bias and width`,
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
  const pairBytes = widestActivation(config, full.patchSize) * 4;
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
