import type { TrainOptions } from "../config/train_options.ts";
import { referenceNames } from "../run/arm_options.ts";
import { openSource } from "../data/sources/open_source.ts";
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

/**
 * The data that a run would read, each found to be there.
 *
 * @throws {SourceError} when there is no such data set
 */
export async function dataIntent({ pool, curated, task, test, poolSize }: TrainOptions): Promise<string[]> {
  if (pool === null) return [`build a pool of ${poolSize} pairs, or take it from the cache`];
  const intents: string[] = [];
  for (const [name, path] of Object.entries({ pool, "curated set": curated, task, "test set": test })) {
    if (path === null) continue;
    const shards = /\.txt$/i.test(path) ? null : (await openSource(path)).shards.length;
    intents.push(
      `read the ${name}: ${path}${
        shards === null ? "" : ` (${shards} ${shards === 1 ? "shard" : "shards"})`
      }`,
    );
  }
  return intents;
}

/** That references of a run's own are trained, said for `--dry-run`. */
export function ownReferenceIntent(
  options: Parameters<typeof referenceNames>[0] & Pick<TrainOptions, "referenceSteps">,
): string {
  const { length } = referenceNames(options), each = length > 1 ? " each" : "";
  return `train ${
    length > 1 ? `${length} references` : "a reference"
  } for ${options.referenceSteps} steps${each}, unless ${
    length > 1 ? "they are" : "it is"
  } kept from an earlier run`;
}
