import { curations } from "../curation/curate.ts";
import { decodeScored } from "../data/scored_pairs.ts";
import { readFileBytes, writeFileAtomic } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { announce } from "./dry_run.ts";
import { ExitCode } from "./errors.ts";

/** `superbatch curate`: which pairs of a file of scored pairs are kept, as a list. */
export async function curate(
  { scored: path, method, keep, seed, out, dryRun, json }: InvocationOf<"curate">,
): Promise<number> {
  const pairs = await decodeScored(await readFileBytes(path), path);
  const { keys, captions, scores, image, text, header } = pairs;
  const count = Math.max(1, Math.round(keys.length * keep));
  if (dryRun) {
    return announce(
      { computes: [`keep ${count} of ${keys.length} pairs by ${method}`], writes: [out] },
      json,
    );
  }
  const kept = curations[method]({ ...header, image, text }, count, seed);
  const lines = Array.from(
    kept,
    (pair) => JSON.stringify({ key: keys[pair], caption: captions[pair], score: scores[pair] }),
  );
  await writeFileAtomic(out, lines.join("\n") + "\n");
  if (json) console.log(JSON.stringify({ file: out, method, pairs: keys.length, kept: kept.length }));
  else console.log(`${method} keeps ${kept.length} of ${keys.length} pairs\n${out}`);
  return ExitCode.ok;
}
