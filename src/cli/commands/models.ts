/**
 * Commands: what a trained model is used for.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, command, constant, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { yes } from "./shared.ts";

/** `superbatch eval`. */
export const evaluateRun = command(
  "eval",
  object({
    action: constant("eval"),
    run: argument(string({ metavar: "RUN" }), { description: message`Folder of a complete run.` }),
    json: yes("--json", message`Print one line of JSON.`),
    quiet: yes("--quiet", message`No progress.`),
  }),
  { brief: message`Evaluate a run's models on the held-out pictures.` },
);

/** `superbatch search`. */
export const search = command(
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
