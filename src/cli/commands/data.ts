/**
 * Commands: a look at the data and the machine before anything is trained.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, command, constant, option } from "@optique/core/primitives";
import { choice, integer, string } from "@optique/core/valueparser";
import { lossNames } from "../../losses/contrastive.ts";
import { dryRun, json, quiet, reading, usageLine } from "./shared.ts";

/** `superbatch inspect`. */
export const inspect = command(
  "inspect",
  object({
    action: constant("inspect"),
    data: argument(string({ metavar: "DATA" }), { description: message`Pictures with captions.` }),
    limit: reading.limit,
    out: withDefault(
      option("--out", string({ metavar: "FILE.png|FILE.html" }), {
        description: message`Where the contact sheet goes (inspect.png).`,
      }),
      "inspect.png",
    ),
    pictures: withDefault(
      option("--pictures", integer({ min: 0, max: 1000 }), {
        description: message`Pictures on the contact sheet, drawn from all; 0 makes none (48).`,
      }),
      48,
    ),
    dryRun,
    json,
    quiet,
  }),
  {
    brief: message`Look through data: sizes, captions, duplicates, broken samples.`,
    description:
      message`Reads every sample once. Broken ones are listed with shard and key, and do not stop it.`,
    usageLine,
  },
);

/** `superbatch doctor`. */
export const doctor = command(
  "doctor",
  object({
    action: constant("doctor"),
    data: optional(argument(string({ metavar: "DATA" }), {
      description: message`Your own pairs (made-up pictures).`,
    })),
    steps: withDefault(
      option("--steps", integer({ min: 1 }), { description: message`Steps of the overfitting test (200).` }),
      200,
    ),
    loss: withDefault(
      option("--loss", choice(lossNames, { metavar: "LOSS" }), {
        description: message`Its loss: sigmoid (SigLIP) or softmax (CLIP) (sigmoid).`,
      }),
      "sigmoid" as const,
    ),
    ...reading,
    json,
    quiet,
  }),
  {
    brief: message`Check adapter, memory and data, and that a model can learn them.`,
    description:
      message`Opens the GPU, reads DATA, and lets a small model overfit one batch of 32 pairs, whose loss \
must all but vanish. Fails when a check fails.`,
    usageLine,
  },
);
