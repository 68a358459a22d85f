/**
 * The options of a profile: a training's, where they decide a step, with a model as large as the preset says.
 *
 * @module
 */

import { preset, type PresetName } from "../models/config.ts";
import { type SamplerName, samplers } from "../selection/samplers.ts";
import type { Precision } from "../models/precision.ts";
import { trainOptions } from "./train_options.ts";

/** What a caller may leave out. */
export interface ProfileOptionsInput {
  readonly model?: PresetName;
  readonly batch?: number;
  readonly filterRatio?: number;
  readonly chunks?: number;
  readonly sampler?: SamplerName;
  readonly patchSize?: number;
  readonly precision?: Precision;
}

/** The shapes of a step. */
export interface ProfiledStep {
  readonly model: PresetName;
  /** Examples trained, b. */
  readonly batch: number;
  /** Examples drawn, S. */
  readonly superBatch: number;
  readonly chunks: number;
  readonly sampler: SamplerName;
  /** In pixels. */
  readonly patchSize: number;
  readonly precision: Precision;
}

/**
 * Fills in a training's defaults and checks ranges.
 *
 * @throws RangeError that names the option, its value and what is allowed, or what does not fit together
 */
export function profileOptions(input: ProfileOptionsInput): ProfiledStep {
  const { model = "mini", batch } = input;
  const { vision: { imageSize, patchSize: own } } = preset(model), patchSize = input.patchSize ?? own;
  if (imageSize % patchSize !== 0) {
    const sides = Array.from({ length: imageSize }, (_, at) => at + 1).filter((side) =>
      imageSize % side === 0
    );
    throw new RangeError(
      `--patch-size ${patchSize} does not divide the ${imageSize} pixels of ${model}'s pictures: ` +
        `choose one of ${sides.join(", ")}`,
    );
  }
  const { sampler, chunks, filterRatio, ...resolved } = trainOptions({
    preset: model,
    batch,
    filterRatio: input.filterRatio,
    sampler: input.sampler,
    // A small batch has no room for a training's default.
    chunks: input.chunks ?? (batch !== undefined && batch >= 1 && batch < 8 ? batch : undefined),
    patch: patchSize,
    precision: input.precision,
    imageSize,
    poolSize: Number.MAX_SAFE_INTEGER, // nothing is drawn from a pool
  });
  const superBatch = samplers[sampler].scores
    ? Math.round(resolved.batch / (1 - filterRatio))
    : resolved.batch;
  const { precision } = resolved;
  return { model, batch: resolved.batch, superBatch, chunks, sampler, patchSize, precision };
}
