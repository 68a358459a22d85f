/**
 * The options that several commands share: how a selection is made, and what shapes a training step.
 *
 * @module
 */

import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import { curationNames } from "../../curation/curate.ts";
import { lossNames } from "../../losses/contrastive.ts";
import { towerNames } from "../../models/fine_tuning.ts";
import { presetNames } from "../../models/config.ts";
import { precisions } from "../../models/precision.ts";
import { samplerNames } from "../../selection/samplers.ts";
import { scoreNames } from "../../selection/scores.ts";
import { ratio, size, yes } from "./shared.ts";

const microBatchText = {
  pattern: /^(auto|[1-9]\d*)$/,
  placeholder: "1",
  errors: {
    patternMismatch: (value: string) =>
      message`Expected a whole number, 1 or more, or auto, but got ${value}.`,
  },
};

/** How the pool is curated before a training begins. */
export const curating = {
  curate: optional(option("--curate", choice(curationNames, { metavar: "METHOD" }), {
    description: message`Curate the pool first, by the reference (not).`,
  })),
  keep: optional(option("--keep", float({ min: 0, max: 1 }), {
    description: message`Share of the pool that curation keeps (1 − --filter-ratio).`,
  })),
};

/** How a selection is made, beside its sampler: for `train`, `plan` and `select`. */
export const selecting = {
  score: optional(option("--score", choice(scoreNames, { metavar: "SCORE" }), {
    description: message`What the sampler prefers (learnability; for top-k easy-reference).`,
  })),
  loss: optional(option("--loss", choice(lossNames, { metavar: "LOSS" }), {
    description: message`The contrastive loss: sigmoid (SigLIP) or softmax (CLIP) (sigmoid).`,
  })),
  uniformShare: optional(option("--uniform-share", ratio(), {
    description: message`Share of each batch that is drawn uniformly beside the selected (0).`,
  })),
  iterations: optional(option("--iterations", integer({ min: 0 }), {
    description: message`Members that gibbs redraws, one after another (2000).`,
  })),
};

/** Options that shape a step: what `train` runs, `plan` plans and `tune` tunes. */
export const stepShape = {
  batch: optional(
    option("--batch", integer({ min: 1 }), { description: message`Examples trained in a step, b (64).` }),
  ),
  filterRatio: optional(option("--filter-ratio", ratio(), {
    description: message`Share of each super-batch that is left out, f (0.9).`,
  })),
  chunks: optional(
    option("--chunks", integer({ min: 1 }), {
      description: message`Draws that make up a selection, N (8).`,
    }),
  ),
  sampler: optional(option("--sampler", choice(samplerNames, { metavar: "SAMPLER" }), {
    description: message`How the batch is chosen: joint is JEST (joint).`,
  })),
  ...selecting,
  prefilter: optional(option("--prefilter", ratio(), {
    description:
      message`Share of what a step draws that the reference's score drops before the learner sees it (0).`,
  })),
  patch: optional(option("--patch", integer({ min: 1 }), {
    description: message`Side of the image patches in pixels (the preset's).`,
  })),
  scorePatch: optional(option("--score-patch", integer({ min: 1 }), {
    description: message`Side of the coarse patches that super-batches are scored at (--patch).`,
  })),
  scoreDrop: optional(option("--score-drop", ratio(), {
    description: message`Share of the patches that scoring drops (0).`,
  })),
  coarseShare: optional(option("--coarse-share", float({ min: 0, max: 1 }), {
    description: message`Share of each batch that is trained as it is scored (0.5 where that is coarser).`,
  })),
  preset: optional(
    option("--preset", choice(presetNames, { metavar: "PRESET" }), {
      description: message`Size of the model (mini).`,
    }),
  ),
  init: optional(option("--init", string({ metavar: "FILE" }), {
    description: message`A checkpoint to start from, such as imported weights, in place of a preset.`,
  })),
  lock: optional(option("--lock", choice(towerNames, { metavar: "TOWER" }), {
    description: message`With --init: the tower that keeps its parameters (none).`,
  })),
  layerDecay: optional(option("--layer-decay", float({ min: 0, max: 1 }), {
    description: message`With --init: factor on the learning rate from each layer to the one before it (1).`,
  })),
  imageSize: optional(option("--image-size", integer({ min: 2 }), {
    description: message`Side of the pictures in pixels (32).`,
  })),
  microBatch: optional(map(
    option("--micro-batch", string({ ...microBatchText, metavar: "N|auto" }), {
      description: message`Examples whose activations are kept at a time; auto: as many as fit (all).`,
    }),
    (value) => value === "auto" ? value : Number(value),
  )),
  precision: optional(option("--precision", choice(precisions, { metavar: "PRECISION" }), {
    description:
      message`How activations and kernels are stored: f32, or f16 where the adapter has shader-f16 (f32).`,
  })),
  recompute: yes("--recompute", message`Keep less, compute it again in the reverse walk.`),
  reuseScoring: yes(
    "--reuse-scoring",
    message`Keep what scoring computed of the selected examples, and train from there: fewer FLOPs, more memory.`,
  ),
  memory: optional(size("--memory", message`What model and step may take together, such as 8GiB.`)),
};

/** What the default data's pool is made of. */
export const pool = {
  pool: optional(option("--pool", string({ metavar: "DATA" }), {
    description: message`Your own pairs to learn from: shards, a folder, a table (the default data).`,
  })),
  curated: optional(option("--curated", string({ metavar: "DATA" }), {
    description: message`With --pool: the good pairs that its reference is trained on.`,
  })),
  test: optional(option("--test", string({ metavar: "DATA" }), {
    description: message`With --pool: the pairs to test on (--test-share of the curated ones).`,
  })),
  task: optional(option("--task", string({ metavar: "DATA" }), {
    description:
      message`With --pool: in place of curated pairs a few examples of the task, or a .txt of captions or class names, from which the reference's set is inferred.`,
  })),
  testShare: optional(option("--test-share", ratio(), {
    description: message`Share that is held out where --test is not given (0.1).`,
  })),
  mix: optional(map(
    option("--mix", string({ metavar: "2,1,…", pattern: /^[\d.]+(,[\d.]+)*$/, placeholder: "1" }), {
      description: message`With --pool a::b: how often the parts come, by weight (each pair once).`,
    }),
    (list) => list.split(",").map(Number),
  )),
  maxBad: optional(option("--max-bad", float({ min: 0, max: 1 }), {
    description: message`With --pool: share of the samples that may be unusable (0.1).`,
  })),
  dataMemory: optional(
    size(
      "--data-memory",
      message`With --pool: memory for each set's decoded pictures; more go to a file of the cache folder (2GiB).`,
    ),
  ),
  poolSize: optional(
    option("--pool-size", integer({ min: 1 }), { description: message`Pairs in the pool (20000).` }),
  ),
  inDomain: optional(option("--in-domain", float({ min: 0, max: 1 }), {
    description: message`Share of the pool that is in-domain (0.1).`,
  })),
  captionNoise: optional(option("--caption-noise", float({ min: 0, max: 1 }), {
    description: message`Share of the in-domain captions that are exchanged (0).`,
  })),
  duplicates: optional(option("--duplicates", ratio(), {
    description: message`Share of the pool that repeats a few of its pairs, slightly shifted (0).`,
  })),
  unknownConcepts: optional(option("--unknown-concepts", ratio(), {
    description: message`Share of the concepts that the curated set does not show (0).`,
  })),
  heldOutConcepts: optional(option("--held-out-concepts", ratio(), {
    description: message`Share of the concepts that only the test shows; then it shows no others (0).`,
  })),
};

/** Which model is the reference. */
export const reference = {
  reference: optional(option("--reference", string({ metavar: "FILE" }), {
    description:
      message`A checkpoint to take as the reference, of any size, in place of training one; several, joined by ::, as one.`,
  })),
  references: optional(option("--references", integer({ min: 1 }), {
    description:
      message`How many are trained, each with a seed of its own; their mean logits are what counts (1).`,
  })),
  referenceSteps: optional(option("--reference-steps", integer({ min: 1 }), {
    description: message`Updates of the reference (800); it is kept for the next run.`,
  })),
  referenceBatch: optional(
    option("--reference-batch", integer({ min: 1 }), { description: message`Its batch (--batch).` }),
  ),
  referenceData: optional(
    option("--reference-data", choice(["curated", "pool", "task", "curated+pool"], { metavar: "SET" }), {
      description:
        message`What the reference is trained on: the curated set, the pool itself, what is inferred from a task, or one each on the first two (curated).`,
    }),
  ),
  taskExamples: optional(option("--task-examples", integer({ min: 1 }), {
    description: message`With --reference-data task: curated pairs that stand for the task (200).`,
  })),
  taskPairs: optional(option("--task-pairs", integer({ min: 0 }), {
    description:
      message`With --reference-data task: pairs of the pool nearest to these, to learn from (1000).`,
  })),
  referencePreset: optional(option("--reference-preset", choice(presetNames, { metavar: "PRESET" }), {
    description: message`Size of the reference (the learner's).`,
  })),
};
