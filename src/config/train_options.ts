/**
 * The options of a training run: defaults, ranges, and what must fit together.
 *
 * @module
 */

import * as v from "valibot";
import { type PresetName, presetNames } from "../models/config.ts";

const positive = (name: string) =>
  v.pipe(v.number(), v.integer(`${name} must be a whole number`), v.minValue(1, `${name} must be 1 or more`));
const share = (name: string) =>
  v.pipe(
    v.number(),
    v.minValue(0, `${name} must be from 0 to 1`),
    v.maxValue(1, `${name} must be from 0 to 1`),
  );

/** Schema of {@link TrainOptions}. */
const schema = v.pipe(
  v.object({
    steps: v.optional(positive("--steps"), 320),
    seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1),
    batch: v.optional(positive("--batch"), 64),
    filterRatio: v.optional(
      v.pipe(v.number(), v.check((f) => f >= 0 && f < 1, "--filter-ratio must be 0 or more and below 1")),
      0.9,
    ),
    chunks: v.optional(positive("--chunks"), 8),
    gain: v.optional(v.pipe(v.number(), v.finite("--gain must be a finite number")), 100),
    sampler: v.optional(v.picklist(["joint", "uniform"]), "joint"),
    patch: v.optional(v.nullable(positive("--patch")), null),
    preset: v.optional(v.picklist(presetNames as readonly [PresetName, ...PresetName[]]), "mini"),
    imageSize: v.optional(positive("--image-size"), 32),
    compare: v.optional(v.nullable(v.picklist(["joint", "uniform"])), null),
    out: v.optional(v.string(), "runs"),
    name: v.optional(v.string(), "train"),
    poolSize: v.optional(positive("--pool-size"), 20_000),
    inDomain: v.optional(share("--in-domain"), 0.1),
    captionNoise: v.optional(share("--caption-noise"), 0),
    dataSeed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1),
    referenceSteps: v.optional(positive("--reference-steps"), 800),
    learningRate: v.optional(v.pipe(v.number(), v.gtValue(0, "--learning-rate must be above 0")), 5e-3),
    warmUp: v.optional(share("--warm-up"), 0.1),
    cache: v.optional(v.string()),
  }),
  v.check(
    ({ chunks, batch, sampler }) => sampler === "uniform" || chunks <= batch,
    ({ input }) => {
      const { chunks, batch } = input as { chunks: number; batch: number };
      return `--chunks is ${chunks}, more than the ${batch} examples of a batch: choose 1 to ${batch}`;
    },
  ),
  v.check(
    ({ compare, sampler }) => compare !== sampler,
    ({ input }) =>
      `--compare ${
        (input as { compare: string }).compare
      } is what the run trains already: choose the other sampler`,
  ),
  v.check(
    ({ filterRatio, batch, poolSize }) => Math.round(batch / (1 - filterRatio)) <= poolSize,
    ({ input }) => {
      const { filterRatio, batch, poolSize } = input as {
        filterRatio: number;
        batch: number;
        poolSize: number;
      };
      return `A batch of ${batch} at --filter-ratio ${filterRatio} draws ${
        Math.round(batch / (1 - filterRatio))
      } ` +
        `examples a step, and the pool holds ${poolSize}: lower the ratio or raise --pool-size`;
    },
  ),
);

/** All options of a training run, with defaults filled in. */
export type TrainOptions = v.InferOutput<typeof schema>;

/** What a caller may leave out. */
export type TrainOptionsInput = v.InferInput<typeof schema>;

/**
 * Fills in defaults and checks ranges.
 *
 * @throws RangeError that names the option, its value and what is allowed
 */
export function trainOptions(input: TrainOptionsInput): TrainOptions {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const { message, path, input: value } = result.issues[0];
  const given = path ? ` (it is ${JSON.stringify(value)})` : "";
  throw new RangeError(`${message}${given}`);
}
