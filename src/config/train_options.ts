/**
 * The options of a training run: defaults, ranges, and what must fit together.
 *
 * @module
 */

import * as v from "valibot";
import { type LossName, lossNames } from "../losses/contrastive.ts";
import { type TowerName, towerNames } from "../models/fine_tuning.ts";
import { preset, type PresetName, presetNames } from "../models/config.ts";
import { precisions } from "../models/precision.ts";
import { adamWDefaults } from "../optim/adamw.ts";
import { type CurationName, curationNames } from "../curation/curate.ts";
import { GIBBS_ITERATIONS } from "../selection/gibbs.ts";
import {
  countedModels,
  type SamplerName,
  samplerNames,
  samplers,
  samplerScore,
} from "../selection/samplers.ts";
import { type ScoreName, scoreNames } from "../selection/scores.ts";

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
const ratio = v.pipe(v.number(NUMBER), v.check((f) => f >= 0 && f < 1, "must be 0 or more and below 1"));
const finite = v.pipe(v.number(NUMBER), v.finite("must be a finite number"));
const oneOf = <const T extends readonly string[]>(names: T) =>
  v.picklist(names, `must be one of ${names.join(", ")}`);
/** A list that is known to hold a name or more. */
type Names<T> = readonly [T, ...T[]];
const presetName = oneOf(presetNames as Names<PresetName>);
const sampler = oneOf(samplerNames as Names<SamplerName>);

const options = v.object({
  steps: v.optional(positive, 320),
  seed: v.optional(natural, 1),
  batch: v.optional(positive, 64),
  filterRatio: v.optional(ratio, 0.9),
  chunks: v.optional(positive, 8),
  gain: v.optional(finite, 100),
  sampler: v.optional(sampler, "joint"),
  score: v.optional(v.nullable(oneOf(scoreNames as Names<ScoreName>)), null),
  loss: v.optional(oneOf(lossNames as Names<LossName>), "sigmoid"),
  iterations: v.optional(natural, GIBBS_ITERATIONS),
  uniformShare: v.optional(ratio, 0),
  prefilter: v.optional(ratio, 0),
  patch: v.optional(v.nullable(positive), null),
  scorePatch: v.optional(v.nullable(positive), null),
  scoreDrop: v.optional(ratio, 0),
  coarseShare: v.optional(v.nullable(share), null),
  preset: v.optional(presetName, "mini"),
  imageSize: v.optional(positive, 32),
  init: v.optional(v.nullable(v.string()), null),
  lock: v.optional(v.nullable(oneOf(towerNames as Names<TowerName>)), null),
  layerDecay: v.optional(v.pipe(share, v.gtValue(0, "must be above 0")), 1),
  microBatch: v.optional(
    v.nullable(v.union([v.literal("auto"), positive], "must be a whole number or auto")),
    null,
  ),
  precision: v.optional(oneOf(precisions), "f32"),
  recompute: v.optional(v.boolean("must be true or false"), false),
  reuseScoring: v.optional(v.boolean("must be true or false"), false),
  memory: v.optional(v.nullable(positive), null),
  compare: v.optional(v.nullable(sampler), null),
  out: v.optional(v.string(), "runs"),
  name: v.optional(v.string(), "train"),
  pool: v.optional(v.nullable(v.string()), null),
  curated: v.optional(v.nullable(v.string()), null),
  test: v.optional(v.nullable(v.string()), null),
  task: v.optional(v.nullable(v.string()), null),
  testShare: v.optional(v.pipe(share, v.gtValue(0, "must be above 0")), 0.1),
  mix: v.optional(
    v.nullable(v.array(v.pipe(finite, v.gtValue(0, "must be above 0")))),
    null,
  ),
  maxBad: v.optional(share, 0.1),
  dataMemory: v.optional(v.nullable(natural), null),
  poolSize: v.optional(positive, 20_000),
  inDomain: v.optional(share, 0.1),
  captionNoise: v.optional(share, 0),
  duplicates: v.optional(ratio, 0),
  unknownConcepts: v.optional(ratio, 0),
  heldOutConcepts: v.optional(ratio, 0),
  dataSeed: v.optional(natural, 1),
  reference: v.optional(v.nullable(v.string()), null),
  scored: v.optional(v.nullable(v.string()), null),
  curate: v.optional(v.nullable(oneOf(curationNames as Names<CurationName>)), null),
  keep: v.optional(v.nullable(v.pipe(share, v.gtValue(0, "must be above 0"))), null),
  referenceSteps: v.optional(positive, 800),
  referenceBatch: v.optional(v.nullable(positive), null),
  references: v.optional(positive, 1),
  referenceData: v.optional(oneOf(["curated", "pool", "task", "curated+pool"]), "curated"),
  taskExamples: v.optional(positive, 200),
  taskPairs: v.optional(natural, 1000),
  referencePreset: v.optional(v.nullable(presetName), null),
  learningRate: v.optional(v.pipe(finite, v.gtValue(0, "must be above 0")), 5e-3),
  warmUp: v.optional(share, 0.1),
  beta2: v.optional(ratio, adamWDefaults.beta2),
  cache: v.optional(v.string()),
});

/** What does not fit together, said with a way out; null when all does. */
function conflict(
  {
    sampler,
    compare,
    score,
    batch,
    microBatch,
    recompute,
    reuseScoring,
    chunks,
    filterRatio,
    poolSize,
    patch,
    scorePatch,
    scoreDrop,
    coarseShare,
    imageSize,
    preset: name,
    referencePreset,
    curate,
    keep,
    reference,
    references,
    scored: scoredFile,
    uniformShare,
    prefilter,
    referenceData,
    taskPairs,
    init,
    lock,
    layerDecay,
    pool,
    curated,
    test,
    mix,
    task,
  }: TrainOptions,
): string | null {
  const arms = [sampler, ...(compare ? [compare] : [])].map((name) => samplers[name]);
  const scored = arms.some(({ scores }) => scores !== null);
  const needed = curate !== null ||
    arms.some(({ scores }) => scores?.some((name) => name !== "hard-learner"));
  const drawn = scored ? Math.round(batch / (1 - filterRatio)) : batch;
  const side = patch ?? preset(name).vision.patchSize;
  const own = samplers[sampler].scores;
  if (score && own && !own.includes(score)) {
    return `--sampler ${sampler} cannot go by ${score}: leave out --score, or use --score ${own}`;
  }
  if (arms.some(({ chunked }) => chunked) && chunks > batch) {
    return `--chunks is ${chunks}, more than the ${batch} examples of a batch: choose 1 to ${batch}`;
  }
  if (uniformShare > 0 && !arms.some((arm) => arm === samplers.joint || arm === samplers.independent)) {
    return `--uniform-share ${uniformShare} goes with --sampler joint or independent, not ${sampler}`;
  }
  const chosen = batch - Math.round(batch * uniformShare);
  if (uniformShare > 0 && chosen < chunks) {
    return `--uniform-share ${uniformShare} leaves ${chosen} examples of a batch for ${chunks} chunks: lower it, or --chunks`;
  }
  if (prefilter > 0 && !arms.some((arm) => arm.scores?.includes("learnability"))) {
    return `--prefilter ${prefilter} goes with a sampler that scores by learnability, not ${sampler}`;
  }
  if (prefilter > 0 && score !== null && score !== "learnability") {
    return `--prefilter ${prefilter} goes with --score learnability, not ${score}`;
  }
  if (prefilter > 0 && drawn * (1 - prefilter) < batch) {
    return `--prefilter ${prefilter} leaves ${
      Math.round(drawn * (1 - prefilter))
    } of ${drawn} drawn examples for a batch of ` +
      `${batch}: lower it, or raise --filter-ratio`;
  }
  if (typeof microBatch === "number" && microBatch > batch) {
    return `--micro-batch is ${microBatch}, more than the ${batch} examples of a batch: choose 1 to ${batch}, or auto`;
  }
  if (reuseScoring && (microBatch !== null || recompute)) {
    return `--reuse-scoring keeps all activations, ${
      recompute ? "--recompute" : "--micro-batch"
    } as few as it can: leave one of them out`;
  }
  if (reuseScoring && ![sampler, compare].some((name) => name && scoresByLearner(name, score))) {
    return `--reuse-scoring goes with a sampler and score that look at the learner: ${sampler} ${
      score ? `by ${score} ` : ""
    }does not`;
  }
  if (compare === sampler) {
    return `--compare ${compare} is what the run trains already: choose another sampler`;
  }
  if (reference !== null && scoredFile !== null) {
    return `--reference and --scored name a reference each: give one of them`;
  }
  if (references > 1 && (reference !== null || scoredFile !== null)) {
    return `--references ${references} asks for so many to be trained, and --${
      reference !== null ? "reference" : "scored"
    } names what is there: give one of them`;
  }
  if (pool === null && referenceData === "task" && taskPairs > poolSize) {
    return `--task-pairs ${taskPairs} is more than the ${poolSize} of the pool: lower it, or raise --pool-size`;
  }
  if (keep !== null && curate === null) {
    return `--keep ${keep} needs a method: add --curate, such as ${curationNames[0]}`;
  }
  const kept = curate === null ? poolSize : keptPairs(poolSize, { keep, filterRatio });
  if (task !== null && (pool === null || curated !== null)) {
    return pool === null
      ? `--task ${task} goes with --pool: name the data in which its reference is to be found`
      : `--task and --curated say both what is wanted: give one of them`;
  }
  const parts = pool?.split("::").length ?? 0;
  if (mix !== null && mix.length !== parts) {
    return `--mix ${mix} gives ${mix.length} weights for ${parts} data sets: give one for each that :: joins in --pool`;
  }
  if (pool === null && (curated !== null || test !== null)) {
    return `--${curated !== null ? "curated" : "test"} goes with --pool: name the data to learn from too`;
  }
  if (
    pool !== null && curated === null && reference === null && scoredFile === null &&
    referenceData.startsWith("curated") && needed
  ) {
    return "A pool of your own needs a reference: add --curated, or --reference, or --reference-data pool";
  }
  if (pool === null && drawn > kept && kept < poolSize) {
    return `A step draws ${drawn} examples, and --curate ${curate} leaves ${kept} of the pool: raise --keep, or lower the batch`;
  }
  if (pool === null && drawn > poolSize) {
    const ratio = scored ? ` at --filter-ratio ${filterRatio}` : "";
    return `A batch of ${batch}${ratio} draws ${drawn} examples a step, and the pool holds ${poolSize}: ` +
      `lower the ${scored ? "ratio" : "batch"} or raise --pool-size`;
  }
  if (init === null && lock !== null) {
    return `--lock ${lock} keeps a tower that was never trained: add --init FILE`;
  }
  if (init === null && layerDecay !== 1) {
    return `--layer-decay ${layerDecay} spares layers that were never trained: add --init FILE`;
  }
  if (init !== null && referencePreset !== null) {
    return `--reference-preset ${referencePreset} reads other captions than ${init}: leave it out, and the reference starts ` +
      "from that file too";
  }
  if (coarseShare !== null && scorePatch === null && scoreDrop === 0) {
    return `--coarse-share ${coarseShare} needs a coarser view: add --score-patch, such as ${
      2 * side
    }, or --score-drop`;
  }
  // With --init the sizes are those of the file, and checked against it.
  if (init !== null) return null;
  if (imageSize % side !== 0 || imageSize % 2 !== 0) {
    return `--image-size ${imageSize} cannot be cut into patches of ${side} pixels: ` +
      "choose an even side, and with --patch a divisor of it";
  }
  if (referencePreset !== null && !sharesTokens(name, referencePreset)) {
    return `--reference-preset ${referencePreset} reads other captions than --preset ${name}: choose presets with the ` +
      `same number of tokens and vocabulary`;
  }
  if (scorePatch !== null && imageSize % scorePatch !== 0) {
    return `--score-patch ${scorePatch} does not divide --image-size ${imageSize}: choose a divisor of it`;
  }
  return null;
}

/** How many pairs of a pool offline curation keeps: as large a share as a selection does, unless another is given. */
export function keptPairs(
  poolSize: number,
  { keep, filterRatio }: Pick<TrainOptions, "keep" | "filterRatio">,
): number {
  return Math.max(1, Math.round(poolSize * (keep ?? 1 - filterRatio)));
}

/** Whether two presets read the same token ids. */
function sharesTokens(a: PresetName, b: PresetName): boolean {
  const [one, other] = [preset(a).text, preset(b).text];
  return one.tokens === other.tokens && one.vocabulary === other.vocabulary;
}

/** Whether an arm runs the learner over what it selects from. */
function scoresByLearner(sampler: SamplerName, score: ScoreName | null): boolean {
  return countedModels(armScore(sampler, score)).learner;
}

/** What an arm goes by: the run's score if its sampler can, else the sampler's own. */
export function armScore(sampler: SamplerName, score: ScoreName | null): ScoreName | null {
  return samplerScore(sampler, score && samplers[sampler].scores?.includes(score) ? score : null);
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
  const { output } = result;
  // A task is given to infer a reference from it.
  if (output.task !== null) output.referenceData = "task";
  const problem = conflict(output);
  if (problem) throw new RangeError(problem);
  // The score of the arm that has one, of the run's own first.
  const score = samplerScore(output.sampler, output.score) ??
    (output.compare && armScore(output.compare, output.score));
  return { ...output, score };
}
