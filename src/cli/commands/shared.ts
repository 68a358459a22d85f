/**
 * Small parsers and options that most commands share.
 *
 * @module
 */

import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import { float, integer, string } from "@optique/core/valueparser";
import type { Usage } from "@optique/core/usage";

/** A usage line that stays short: the options are listed below it. */
export const usageLine: Usage = [{ type: "literal", value: "[OPTIONS]" }];

/** A filter ratio: the number 1 itself would leave nothing. */
export const ratio = () =>
  float({
    min: 0,
    max: 0.999999,
    errors: {
      belowMinimum: (value) => message`Expected 0 or more and less than 1, but got ${String(value)}.`,
      aboveMaximum: (value) => message`Expected 0 or more and less than 1, but got ${String(value)}.`,
    },
  });

/** A flag that is off unless it is given. */
export const yes = (name: `--${string}`, text: ReturnType<typeof message>) =>
  withDefault(flag(name, { description: text }), false);

/** A number of bytes: a number alone, or with KiB, MiB, GiB, or kB, MB, GB. */
export const size = (name: `--${string}`, text: ReturnType<typeof message>) => {
  const errors = {
    patternMismatch: (value: string) => message`Expected a size such as 8GiB or 500MB, but got ${value}.`,
  };
  return map(
    option(
      name,
      string({ metavar: "SIZE", pattern: /^\d+(\.\d+)?\s*([kMGT]i?B?)?$/i, placeholder: "1", errors }),
      {
        description: text,
      },
    ),
    (value) => {
      const [, number, prefix = "", binary] = /^([\d.]+)\s*([kmgt]?)(i?)/i.exec(value)!;
      return Math.floor(
        Number(number) * (binary ? 1024 : 1000) ** " kmgt".indexOf(prefix.toLowerCase() || " "),
      );
    },
  );
};

/** Results for programs. */
export const json = yes("--json", message`Print one line of JSON.`);

/** Nothing on stderr but errors. */
export const quiet = yes("--quiet", message`No progress.`);

/** For every command that writes. */
export const dryRun = yes(
  "--dry-run",
  message`Check the input, print what would be computed and written, and do neither.`,
);

/** How the user's own data are read. */
export const reading = {
  limit: optional(
    option("--limit", integer({ min: 1 }), { description: message`Pairs to read at most (all).` }),
  ),
  maxBad: optional(option("--max-bad", float({ min: 0, max: 1 }), {
    description: message`Share of samples that may be unusable; more stop the command (0.1).`,
  })),
};
