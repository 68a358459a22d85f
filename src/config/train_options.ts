/**
 * The options of a training run: defaults, ranges, and what must fit together.
 *
 * @module
 */

import * as v from "valibot";
import { preset, type PresetName, presetNames } from "../models/config.ts";
import { precisions } from "../models/precision.ts";

const NUMBER = "must be a number";
const whole = (least: number) =>
  v.pipe(
    v.number(NUMBER),
    v.integer("must be a whole number"),
    v.minValue(least, `must be ${least} or more`),
  );
const positive = whole(1), natural = whole(0);
const share = v.pipe(
  v.number(NUMBER),
  v.minValue(0, "must be from 0 to 1"),
  v.maxValue(1, "must be from 0 to 1"),
);
const finite = v.pipe(v.number(NUMBER), v.finite("must be a finite number"));
const oneOf = <const T extends readonly string[]>(names: T) =>
  v.picklist(names, `must be one of ${names.join(", ")}`);
const sampler = oneOf(["joint", "uniform"]);

const options = v.object({
  steps: v.optional(positive, 320),
  seed: v.optional(natural, 1),
  batch: v.optional(positive, 64),
  filterRatio: v.optional(
    v.pipe(v.number(NUMBER), v.check((f) => f >= 0 && f < 1, "must be 0 or more and below 1")),
    0.9,
  ),
  chunks: v.optional(positive, 8),
  gain: v.optional(finite, 100),
  sampler: v.optional(sampler, "joint"),
  patch: v.optional(v.nullable(positive), null),
  preset: v.optional(oneOf(presetNames as readonly [PresetName, ...PresetName[]]), "mini"),
  imageSize: v.optional(positive, 32),
  microBatch: v.optional(
    v.nullable(v.union([v.literal("auto"), positive], "must be a whole number or auto")),
    null,
  ),
  precision: v.optional(oneOf(precisions), "f32"),
  recompute: v.optional(v.boolean("must be true or false"), false),
  memory: v.optional(v.nullable(positive), null),
  compare: v.optional(v.nullable(sampler), null),
  out: v.optional(v.string(), "runs"),
  name: v.optional(v.string(), "train"),
  poolSize: v.optional(positive, 20_000),
  inDomain: v.optional(share, 0.1),
  captionNoise: v.optional(share, 0),
  dataSeed: v.optional(natural, 1),
  referenceSteps: v.optional(positive, 800),
  learningRate: v.optional(v.pipe(finite, v.gtValue(0, "must be above 0")), 5e-3),
  warmUp: v.optional(share, 0.1),
  cache: v.optional(v.string()),
});

/** What does not fit together, said with a way out; null when all does. */
function conflict(
  { sampler, compare, batch, microBatch, chunks, filterRatio, poolSize, patch, imageSize, preset: name }:
    TrainOptions,
): string | null {
  const scored = sampler === "joint" || compare === "joint";
  const drawn = scored ? Math.round(batch / (1 - filterRatio)) : batch;
  const side = patch ?? preset(name).vision.patchSize;
  if (scored && chunks > batch) {
    return `--chunks is ${chunks}, more than the ${batch} examples of a batch: choose 1 to ${batch}`;
  }
  if (typeof microBatch === "number" && microBatch > batch) {
    return `--micro-batch is ${microBatch}, more than the ${batch} examples of a batch: choose 1 to ${batch}, or auto`;
  }
  if (compare === sampler) {
    return `--compare ${compare} is what the run trains already: choose the other sampler`;
  }
  if (drawn > poolSize) {
    const ratio = scored ? ` at --filter-ratio ${filterRatio}` : "";
    return `A batch of ${batch}${ratio} draws ${drawn} examples a step, and the pool holds ${poolSize}: ` +
      `lower the ${scored ? "ratio" : "batch"} or raise --pool-size`;
  }
  if (imageSize % side !== 0 || imageSize % 2 !== 0) {
    return `--image-size ${imageSize} cannot be cut into patches of ${side} pixels: ` +
      "choose an even side, and with --patch a divisor of it";
  }
  return null;
}

/** All options of a training run, with defaults filled in. */
export type TrainOptions = v.InferOutput<typeof options>;

/** What a caller may leave out. */
export type TrainOptionsInput = v.InferInput<typeof options>;

/**
 * Fills in defaults and checks ranges.
 *
 * @throws RangeError that names the option, its value and what is allowed, or what does not fit together
 */
export function trainOptions(input: TrainOptionsInput): TrainOptions {
  const result = v.safeParse(options, input);
  if (!result.success) {
    const [{ message, path, input: value }] = result.issues;
    const flag = String(path?.[0].key).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new RangeError(`--${flag} ${message} (it is ${value})`);
  }
  const problem = conflict(result.output);
  if (problem) throw new RangeError(problem);
  return result.output;
}
