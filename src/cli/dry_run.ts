import { ExitCode } from "./errors.ts";

/** What a command would do. */
export interface Intent {
  /** What it would compute, each after the word "Would". */
  readonly computes: readonly string[];
  /** Files and folders that it would make or replace. */
  readonly writes: readonly string[];
}

/** The answer to `--dry-run`. */
export function announce({ computes, writes }: Intent, json: boolean): number {
  if (json) console.log(JSON.stringify({ dryRun: true, computes, writes }));
  else {
    for (const work of computes) console.log(`Would ${work}`);
    for (const path of writes) console.log(`Would write ${path}`);
  }
  return ExitCode.ok;
}
