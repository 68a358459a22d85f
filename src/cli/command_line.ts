/**
 * The command line: every command with its options, as one typed parser. Help, version, completion and the
 * suggestions for mistyped names come from it.
 *
 * @module
 */

import { object, or } from "@optique/core/constructs";
import { commandLine as commandText, message, optionName } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, command, constant, option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import type { InferValue, Parser } from "@optique/core/parser";
import type { Usage } from "@optique/core/usage";
import { presetNames } from "../models/config.ts";
import { curationNames } from "../curation/curate.ts";
import { scaleNames } from "../reproduce/scales.ts";
import { samplerNames } from "../selection/samplers.ts";
import { curating, pool, ratio, reference, selecting, stepShape, yes } from "./step_options.ts";

/** A usage line that stays short: the options are listed below it. */
const usageLine: Usage = [{ type: "literal", value: "[OPTIONS]" }];

const train = command(
  "train",
  object({
    action: constant("train"),
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
    quiet: yes("--quiet", message`No progress.`),
  }),
  {
    brief: message`Train a model with JEST and write a report.`,
    description:
      message`Fetches the default data, trains the reference on the curated set, then the learner on the noisy \
pool with joint example selection, evaluates it on another vendor's pictures, and writes a folder with a report.`,
    usageLine,
  },
);

const plan = command(
  "plan",
  object({
    action: constant("plan"),
    ...stepShape,
    explain: yes("--explain", message`List the largest buffers and what lies in them.`),
    json: yes("--json", message`Print one line of JSON.`),
  }),
  {
    brief: message`Show what a training step would take, before it runs.`,
    description:
      message`Memory, work and dispatches of a step of \`train\` with the same options, without allocating \
it. Fails when it does not fit the adapter or --memory, and says what does.`,
    usageLine,
  },
);

const evaluateRun = command(
  "eval",
  object({
    action: constant("eval"),
    run: argument(string({ metavar: "RUN" }), { description: message`Folder of a complete run.` }),
    json: yes("--json", message`Print one line of JSON.`),
    quiet: yes("--quiet", message`No progress.`),
  }),
  { brief: message`Evaluate a run's models on the held-out pictures.` },
);

const search = command(
  "search",
  object({
    action: constant("search"),
    run: argument(string({ metavar: "RUN" }), { description: message`Folder of a complete run.` }),
    query: argument(string({ metavar: "QUERY" }), {
      description: message`What to look for, such as "red heart".`,
    }),
    count: withDefault(
      option("--count", integer({ min: 1, max: 100 }), { description: message`How many pictures (8).` }),
      8,
    ),
    out: optional(option("--out", string({ metavar: "FILE.png" }), {
      description: message`Where the pictures go (search.png in the run's folder).`,
    })),
    json: yes("--json", message`Print one line of JSON.`),
    quiet: yes("--quiet", message`No progress.`),
  }),
  { brief: message`Find the held-out pictures nearest to a text.` },
);

const select = command(
  "select",
  object({
    action: constant("select"),
    learner: optional(option("--learner", string({ metavar: "FILE" }), {
      description:
        message`The learner's embeddings (safetensors: image, text, logit_scale, logit_bias); not needed for easy-reference.`,
    })),
    reference: optional(option("--reference", string({ metavar: "FILE" }), {
      description: message`The reference's embeddings of the same pairs; not needed for hard-learner.`,
    })),
    sampler: optional(option("--sampler", choice(samplerNames, { metavar: "SAMPLER" }), {
      description: message`How to select: joint is JEST (joint).`,
    })),
    ...selecting,
    filterRatio: withDefault(
      option("--filter-ratio", ratio(), { description: message`Share to leave out (0.8).` }),
      0.8,
    ),
    chunks: withDefault(
      option("--chunks", integer({ min: 1 }), {
        description: message`Draws of joint, N (16).`,
      }),
      16,
    ),
    gain: withDefault(option("--gain", float(), { description: message`Factor on the scores (100).` }), 100),
    seed: withDefault(
      option("--seed", integer({ min: 0 }), { description: message`Seed of the draws (1).` }),
      1,
    ),
    json: yes("--json", message`Print one line of JSON.`),
  }),
  {
    brief: message`Select the most learnable pairs from embeddings on disk.`,
    description:
      message`Joint example selection, and what it is compared with, for anyone's models: prints the rows in order \
of selection and the batch's learnability; with --json also every pair's own score, the conditional score (with the \
gain) that each selected pair was drawn by, and the entropy of each draw.`,
  },
);

const score = command(
  "score",
  object({
    action: constant("score"),
    ...pool,
    ...reference,
    preset: optional(
      option("--preset", choice(presetNames, { metavar: "PRESET" }), {
        description: message`Size of a reference that is trained (mini).`,
      }),
    ),
    imageSize: optional(option("--image-size", integer({ min: 2 }), {
      description: message`Side of the pictures in pixels (32).`,
    })),
    batch: optional(
      option("--batch", integer({ min: 1 }), { description: message`Its batch when it is trained (64).` }),
    ),
    seed: optional(
      option("--seed", integer({ min: 0 }), { description: message`Its seed when it is trained (1).` }),
    ),
    out: withDefault(
      option("--out", string({ metavar: "FILE.parquet|FILE.jsonl" }), {
        description: message`Where the scored pairs go (scored.parquet).`,
      }),
      "scored.parquet",
    ),
    cache: optional(option("--cache", string({ metavar: "FOLDER" }), {
      description: message`Where data and references are kept.`,
    })),
    json: yes("--json", message`Print one line of JSON.`),
    quiet: yes("--quiet", message`No progress.`),
  }),
  {
    brief: message`Score every pair of the pool by a reference, once.`,
    description:
      message`Writes each pair's key, caption, score and embeddings by the reference, as Parquet or JSON lines. With \
train --scored it takes the reference's place; easy-reference selection then runs no other model at all.`,
    usageLine,
  },
);

const curate = command(
  "curate",
  object({
    action: constant("curate"),
    scored: argument(string({ metavar: "SCORED" }), {
      description: message`What superbatch score wrote: .parquet or .jsonl.`,
    }),
    method: withDefault(
      option("--method", choice(curationNames, { metavar: "METHOD" }), {
        description:
          message`How pairs are chosen: reference-score keeps what the reference finds easiest, deduplicate \
drops pictures that are nearly alike (reference-score).`,
      }),
      "reference-score" as const,
    ),
    keep: withDefault(
      option("--keep", float({ min: 0, max: 1 }), { description: message`Share to keep (0.1).` }),
      0.1,
    ),
    seed: withDefault(
      option("--seed", integer({ min: 0 }), { description: message`Seed of the clusters (1).` }),
      1,
    ),
    out: withDefault(
      option("--out", string({ metavar: "FILE.jsonl" }), {
        description: message`Where the list of what is kept goes (curated.jsonl).`,
      }),
      "curated.jsonl",
    ),
    json: yes("--json", message`Print one line of JSON.`),
  }),
  {
    brief: message`Filter scored pairs before a training.`,
    description:
      message`Offline curation: a list of the pairs that are kept, a line of JSON each. train --curate does the same \
to its pool.`,
    usageLine,
  },
);

const tune = command(
  "tune",
  object({
    action: constant("tune"),
    ...stepShape,
    show: yes("--show", message`Only show what was tuned.`),
    reset: yes("--reset", message`Forget what was tuned for this adapter.`),
    cache: optional(option("--cache", string({ metavar: "FOLDER" }), {
      description: message`Where the measurements are kept.`,
    })),
    json: yes("--json", message`Print one line of JSON.`),
    quiet: yes("--quiet", message`No progress.`),
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

const info = command(
  "info",
  object({ action: constant("info"), json: yes("--json", message`Print one line of JSON.`) }),
  { brief: message`Show the GPU adapter, its features and limits.` },
);

const profile = command(
  "profile",
  object({
    action: constant("profile"),
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
    json: yes("--json", message`Print one line of JSON.`),
    quiet: yes("--quiet", message`No progress.`),
  }),
  {
    brief: message`Show where a training step's time goes.`,
    description:
      message`Runs a training step on random data, times every dispatch, and holds each against what this adapter \
can do at all, measured on the spot: multiply-adds in registers, copying, launching. Draws a roofline.`,
    usageLine,
  },
);

const reproduce = command(
  "reproduce",
  object({
    action: constant("reproduce"),
    claims: optional(option("--claims", string({ metavar: "LIST" }), {
      description: message`Which claims, such as 2,5-7 (all 18).`,
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
    out: withDefault(
      option("--out", string({ metavar: "FOLDER" }), {
        description:
          message`Where the report goes (reproduction); arms that lie there already are not trained again.`,
      }),
      "reproduction",
    ),
    cache: optional(option("--cache", string({ metavar: "FOLDER" }), {
      description: message`Where data and references are kept.`,
    })),
    json: yes("--json", message`Print the results as one line of JSON at the end.`),
    quiet: yes("--quiet", message`No progress.`),
  }),
  {
    brief: message`Try the claims of JEST's paper in miniature.`,
    description:
      message`Runs an experiment for each claim with several seeds, and writes a report with a verdict on each: \
reproduced, not reproduced, or inconclusive. Can be stopped at any time; the same command goes on where it was.`,
    usageLine,
  },
);

const test = command(
  "test",
  object({
    action: constant("test"),
    filter: optional(
      option("--filter", string(), { description: message`Only tests whose name holds this.` }),
    ),
  }),
  { brief: message`Run the package's tests.` },
);

const everything = or(
  train,
  plan,
  evaluateRun,
  search,
  select,
  score,
  curate,
  reproduce,
  tune,
  profile,
  info,
  test,
  {
    errors: {
      noMatch: message`Give a command, such as ${commandText("superbatch train")}; see ${
        optionName("--help")
      }.`,
    },
  },
);

/** What the command line came to. */
export type Invocation = InferValue<typeof everything>;

const commands: Readonly<Record<string, Parser<"sync", Invocation, unknown>>> = {
  train,
  plan,
  eval: evaluateRun,
  search,
  select,
  score,
  curate,
  reproduce,
  tune,
  profile,
  info,
  test,
};

/**
 * The parser of a command line. Where its first word is a command it is that command's own, so that a mistyped option
 * is answered with the nearest of the command's options.
 */
export function commandLine(args: readonly string[]): Parser<"sync", Invocation, unknown> {
  return Object.hasOwn(commands, args[0] ?? "") ? commands[args[0]] : everything;
}

/** The options of one command. */
export type InvocationOf<A extends Invocation["action"]> = Extract<Invocation, { action: A }>;
