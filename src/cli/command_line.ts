/**
 * The command line: every command with its options, as one typed parser. Help, version, completion and the
 * suggestions for mistyped names come from it. The commands themselves are in `commands/`, one file a group.
 *
 * @module
 */

import { or } from "@optique/core/constructs";
import { commandLine as commandText, message, optionName } from "@optique/core/message";
import type { InferValue, Parser } from "@optique/core/parser";
import { info, test } from "./commands/machine.ts";
import { doctor, inspect } from "./commands/data.ts";
import { embed, evaluateRun, search } from "./commands/models.ts";
import { curate, score, select } from "./commands/selection.ts";
import { plan, profile, reproduce, train, tune } from "./commands/training.ts";
import { exportWeights, importWeights } from "./commands/weights.ts";

// In groups, because one `or` takes no more than 15.
const everything = or(
  or(train, plan, tune, profile, reproduce),
  or(evaluateRun, embed, search),
  or(importWeights, exportWeights),
  or(select, score, curate),
  or(inspect, doctor, info, test),
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
  embed,
  search,
  import: importWeights,
  export: exportWeights,
  select,
  score,
  curate,
  reproduce,
  tune,
  profile,
  inspect,
  doctor,
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
