/**
 * Commands: the machine and the package themselves.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { json } from "./shared.ts";

/** `superbatch info`. */
export const info = command(
  "info",
  object({ action: constant("info"), json }),
  { brief: message`Show the GPU adapter, its features and limits.` },
);

/** `superbatch test`. */
export const test = command(
  "test",
  object({
    action: constant("test"),
    filter: optional(
      option("--filter", string(), { description: message`Only tests whose name holds this.` }),
    ),
  }),
  { brief: message`Run the package's tests.` },
);
