/**
 * Commands: which pairs are worth training on.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, command, constant, option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import { presetNames } from "../../models/config.ts";
import { curationNames } from "../../curation/curate.ts";
import { samplerNames } from "../../selection/samplers.ts";
import { dryRun, json, quiet, ratio, usageLine } from "./shared.ts";
import { pool, reference, selecting } from "./step_options.ts";

/** `superbatch select`. */
export const select = command(
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
    json,
  }),
  {
    brief: message`Select the most learnable pairs from embeddings on disk.`,
    description:
      message`Joint example selection, and what it is compared with, for anyone's models: prints the rows in order \
of selection and the batch's learnability; with --json also every pair's own score, the conditional score (with the \
gain) that each selected pair was drawn by, and the entropy of each draw.`,
  },
);

/** `superbatch score`. */
export const score = command(
  "score",
  object({
    action: constant("score"),
    dryRun,
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
    json,
    quiet,
  }),
  {
    brief: message`Score every pair of the pool by a reference, once.`,
    description:
      message`Writes each pair's key, caption, score and embeddings by the reference, as Parquet or JSON lines. With \
train --scored it takes the reference's place; easy-reference selection then runs no other model at all.`,
    usageLine,
  },
);

/** `superbatch curate`. */
export const curate = command(
  "curate",
  object({
    action: constant("curate"),
    dryRun,
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
    data: optional(option("--data", string({ metavar: "DATA" }), {
      description:
        message`The pairs that were scored: with it what is kept is written as WebDataset shards too.`,
    })),
    shards: withDefault(
      option("--shards", string({ metavar: "FOLDER" }), {
        description: message`With --data: where the shards go (curated).`,
      }),
      "curated",
    ),
    json,
  }),
  {
    brief: message`Filter scored pairs before a training.`,
    description:
      message`Offline curation: a list of the pairs that are kept, a line of JSON each, and with --data their pairs as \
WebDataset shards. train --curate does the same to its pool.`,
    usageLine,
  },
);
