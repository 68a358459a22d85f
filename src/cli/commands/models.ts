/**
 * Commands: what a trained model is used for.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, constant, option } from "@optique/core/primitives";
import { choice, integer, string } from "@optique/core/valueparser";
import type { NonEmptyString } from "@optique/core/nonempty";
import { dryRun, json, quiet, reading, usageLine } from "./shared.ts";

const file = (metavar: NonEmptyString) => string({ metavar });

/** Whole numbers above 0 with commas between them. */
const numbers = (name: `--${string}`, text: ReturnType<typeof message>) =>
  map(
    option(
      name,
      string({
        metavar: "LIST",
        pattern: /^[1-9]\d*(,[1-9]\d*)*$/,
        placeholder: "1",
        errors: {
          patternMismatch: (value: string) =>
            message`Expected whole numbers above 0 such as 1,4,16, but got ${value}.`,
        },
      }),
      { description: text },
    ),
    (value) => value.split(",").map(Number),
  );

/** `superbatch eval`. */
export const evaluateRun = command(
  "eval",
  object({
    action: constant("eval"),
    run: argument(file("RUN|MODEL"), {
      description: message`Folder of a complete run, or with --data also a checkpoint.`,
    }),
    data: optional(option("--data", file("DATA"), {
      description: message`Your own pairs to evaluate on (the run's held-out pictures).`,
    })),
    classes: optional(option("--classes", file("FILE"), {
      description:
        message`Zero-shot classes, one a line: the label, or the label, a tab and its name in prompts (the data's labels).`,
    })),
    templates: optional(option("--templates", file("FILE"), {
      description: message`Prompt templates, one a line, with {} for the class (CLIP's seven).`,
    })),
    shots: optional(
      numbers("--shots", message`Fit linear probes to so many examples a class, such as 1,4,16.`),
    ),
    seeds: withDefault(
      option("--seeds", integer({ min: 1, max: 100 }), {
        description: message`Draws of each probe's examples (3).`,
      }),
      3,
    ),
    ...reading,
    json,
    quiet,
  }),
  {
    brief: message`Evaluate a model on held-out pictures, or on your own data.`,
    description:
      message`On your own data: retrieval R@1, R@5 and R@10 both ways (several captions of a picture are told by its \
repeated key), zero-shot classification where there are labels, and with --shots linear probes.`,
    usageLine,
  },
);

/** `superbatch embed`. */
export const embed = command(
  "embed",
  object({
    action: constant("embed"),
    model: argument(file("MODEL"), {
      description: message`A checkpoint (.safetensors), or the folder of a complete run.`,
    }),
    data: optional(argument(file("DATA"), { description: message`Pictures with captions.` })),
    captions: optional(option("--captions", file("FILE"), {
      description: message`Captions alone, one a line, in place of DATA.`,
    })),
    tower: withDefault(
      option("--tower", choice(["both", "image", "text"], { metavar: "TOWER" }), {
        description: message`What of DATA to embed: pictures, captions or both (both).`,
      }),
      "both" as const,
    ),
    out: withDefault(
      option("--out", file("FILE.safetensors|FILE.parquet"), {
        description: message`Where the embeddings go (embeddings.safetensors).`,
      }),
      "embeddings.safetensors",
    ),
    ...reading,
    dryRun,
    json,
    quiet,
  }),
  {
    brief: message`Embed pictures and captions into a file of unit vectors.`,
    description: message`Writes keys, captions and embeddings, for search --index, select and other tools.`,
    usageLine,
  },
);

/** `superbatch search`. */
export const search = command(
  "search",
  object({
    action: constant("search"),
    run: argument(file("RUN|QUERY"), {
      description: message`Folder of a complete run; with --index the query itself.`,
    }),
    query: optional(argument(file("QUERY"), {
      description: message`What to look for, such as "red heart".`,
    })),
    index: optional(option("--index", file("FILE"), {
      description: message`Look through what superbatch embed wrote.`,
    })),
    model: optional(option("--model", file("MODEL"), {
      description: message`Where the index's model lies now (where it was).`,
    })),
    data: optional(option("--data", file("DATA"), {
      description: message`Where the index's pictures lie now (where they were).`,
    })),
    count: withDefault(
      option("--count", integer({ min: 1, max: 100 }), { description: message`How many pictures (8).` }),
      8,
    ),
    out: optional(option("--out", file("FILE.png|FILE.html"), {
      description: message`Where the pictures go (search.png, in the run's folder where there is one).`,
    })),
    dryRun,
    json,
    quiet,
  }),
  {
    brief: message`Find the pictures nearest to a text.`,
    description:
      message`Among a run's held-out pictures, or with --index among your own: search "red arrow" --index I.`,
    usageLine,
  },
);
