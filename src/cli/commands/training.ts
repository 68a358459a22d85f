/**
 * Commands: what trains, and what looks at a training step.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import { scaleNames } from "../../reproduce/scales.ts";
import { samplerNames } from "../../selection/samplers.ts";
import { dryRun, json, quiet, ratio, usageLine, yes } from "./shared.ts";
import { curating, pool, reference, stepShape } from "./step_options.ts";

/** `superbatch train`. */
export const train = command(
  "train",
  object({
    action: constant("train"),
    dryRun,
    steps: optional(
      option("--steps", integer({ min: 1 }), { description: message`Updates of the learner (320).` }),
    ),
    seed: optional(
      option("--seed", integer({ min: 0 }), { description: message`Seed of everything random (1).` }),
    ),
    ...stepShape,
    gain: optional(
      option("--gain", float(), { description: message`Factor on the scores before a draw (100).` }),
    ),
    out: optional(option("--out", string({ metavar: "FOLDER" }), {
      description: message`Where the run's folder is made (runs).`,
    })),
    name: optional(
      option("--name", string(), { description: message`Ends the name of the run's folder (train).` }),
    ),
    compare: optional(option("--compare", choice(samplerNames, { metavar: "SAMPLER" }), {
      description: message`Train a second model this way, at equal trained examples.`,
    })),
    ...pool,
    ...curating,
    scored: optional(option("--scored", string({ metavar: "FILE" }), {
      description: message`What superbatch score wrote of this pool, in place of a reference.`,
    })),
    ...reference,
    learningRate: optional(
      option("--learning-rate", float(), { description: message`Highest learning rate (0.005).` }),
    ),
    warmUp: optional(option("--warm-up", float({ min: 0, max: 1 }), {
      description: message`Share of the steps that warm up (0.1).`,
    })),
    beta2: optional(option("--beta2", ratio(), {
      description: message`AdamW's decay of the learner's second moments (0.95).`,
    })),
    cache: optional(option("--cache", string({ metavar: "FOLDER" }), {
      description: message`Where data and references are kept.`,
    })),
    json: yes("--json", message`Print the summary as one line of JSON at the end.`),
    quiet,
  }),
  {
    brief: message`Train a model with JEST and write a report.`,
    description:
      message`Fetches the default data, trains the reference on the curated set, then the learner on the noisy \
pool with joint example selection, evaluates it on another vendor's pictures, and writes a folder with a report.`,
    usageLine,
  },
);

/** `superbatch plan`. */
export const plan = command(
  "plan",
  object({
    action: constant("plan"),
    ...stepShape,
    explain: yes("--explain", message`List the largest buffers and what lies in them.`),
    json,
  }),
  {
    brief: message`Show what a training step would take, before it runs.`,
    description:
      message`Memory, work and dispatches of a step of \`train\` with the same options, without allocating \
it. Fails when it does not fit the adapter or --memory, and says what does.`,
    usageLine,
  },
);

/** `superbatch tune`. */
export const tune = command(
  "tune",
  object({
    action: constant("tune"),
    dryRun,
    ...stepShape,
    show: yes("--show", message`Only show what was tuned.`),
    reset: yes("--reset", message`Forget what was tuned for this adapter.`),
    cache: optional(option("--cache", string({ metavar: "FOLDER" }), {
      description: message`Where the measurements are kept.`,
    })),
    json,
    quiet,
  }),
  {
    brief: message`Measure which kernels are fastest on this adapter.`,
    description:
      message`Times the variants of every matrix product and attention in a step of \`train\` with the same options, \
and keeps the fastest for this adapter; train, eval and search then use them. Sums may be added in another order, so \
bits can change.`,
    usageLine,
  },
);

/** `superbatch profile`. */
export const profile = command(
  "profile",
  object({
    action: constant("profile"),
    dryRun,
    ...stepShape,
    cache: optional(option("--cache", string({ metavar: "FOLDER" }), {
      description: message`Where the measurements of tune are kept.`,
    })),
    runs: optional(option("--runs", integer({ min: 1, max: 1000 }), {
      description: message`Runs of the step that are measured (as many as take long enough).`,
    })),
    by: withDefault(
      option("--by", choice(["op", "shape"], { metavar: "KEY" }), {
        description: message`What the table tells apart: ops, or ops and their shapes m×k×n (op).`,
      }),
      "op" as const,
    ),
    out: withDefault(
      option("--out", string({ metavar: "FOLDER|FILE" }), {
        description:
          message`Where the roofline goes: a folder, or a file that ends in .html or .svg (profile.html).`,
      }),
      "profile.html",
    ),
    json,
    quiet,
  }),
  {
    brief: message`Show where a training step's time goes.`,
    description:
      message`Runs a training step on random data, times every dispatch, and holds each against what this adapter \
can do at all, measured on the spot: multiply-adds in registers, copying, launching. Draws a roofline.`,
    usageLine,
  },
);

/** `superbatch reproduce`. */
export const reproduce = command(
  "reproduce",
  object({
    action: constant("reproduce"),
    dryRun,
    claims: optional(option("--claims", string({ metavar: "LIST" }), {
      description: message`Which claims, such as 2,5-7 (all).`,
    })),
    scale: withDefault(
      option("--scale", choice(scaleNames, { metavar: "SCALE" }), {
        description: message`How large: small for two cores without a GPU, gpu for a real one (small).`,
      }),
      "small" as const,
    ),
    seeds: withDefault(
      option("--seeds", integer({ min: 1, max: 100 }), { description: message`How many seeds (3).` }),
      3,
    ),
    firstSeed: withDefault(
      option("--first-seed", integer({ min: 0 }), {
        description: message`The first of the seeds (1): others confirm what was found with these.`,
      }),
      1,
    ),
    out: withDefault(
      option("--out", string({ metavar: "FOLDER" }), {
        description:
          message`Where the report goes (reproduction); arms that lie there already are not trained again, and claims that were tried there with these seeds stay in the report.`,
      }),
      "reproduction",
    ),
    cache: optional(option("--cache", string({ metavar: "FOLDER" }), {
      description: message`Where data and references are kept.`,
    })),
    json: yes("--json", message`Print the results as one line of JSON at the end.`),
    quiet,
  }),
  {
    brief: message`Try the claims of JEST's paper in miniature.`,
    description:
      message`Runs an experiment for each claim with several seeds, and writes a report with a verdict on each: \
reproduced, not reproduced, or inconclusive. Can be stopped at any time; the same command goes on where it was.`,
    usageLine,
  },
);
