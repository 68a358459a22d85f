import { curations } from "../curation/curate.ts";
import { fullKey } from "../data/load_pairs.ts";
import { decodeScored } from "../data/scored_pairs.ts";
import { openSource } from "../data/sources/open_source.ts";
import { BadSample, type DataSource, type StoredPair } from "../data/sources/source.ts";
import { writeWebDataset } from "../data/write_webdataset.ts";
import { readFileBytes, writeFileAtomic } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { announce } from "./dry_run.ts";
import { ExitCode } from "./errors.ts";

/** `superbatch curate`: which pairs of a file of scored pairs are kept, as a list, and as shards where the pairs are given. */
export async function curate(
  { scored: path, method, keep, seed, out, json, dryRun, data, shards: folder }: InvocationOf<"curate">,
): Promise<number> {
  const pairs = await decodeScored(await readFileBytes(path), path);
  const { keys, captions, scores, image, text, header } = pairs;
  const count = Math.max(1, Math.round(keys.length * keep));
  if (dryRun) {
    return announce(
      {
        computes: [`keep ${count} of ${keys.length} pairs by ${method}`],
        writes: [out, ...(data === undefined ? [] : [`${folder}/*.tar`])],
      },
      json,
    );
  }
  const kept = curations[method]({ ...header, image, text }, count, seed);
  const lines = Array.from(
    kept,
    (pair) => JSON.stringify({ key: keys[pair], caption: captions[pair], score: scores[pair] }),
  );
  await writeFileAtomic(out, lines.join("\n") + "\n");
  const written = data === undefined
    ? null
    : await writeWebDataset(chosen(await openSource(data), keys, captions, kept), folder);
  if (written && written.pairs === 0) {
    throw new TypeError(
      `${data} holds none of the pairs that ${path} was scored on: name the data that were scored`,
    );
  }
  if (json) {
    console.log(JSON.stringify({ file: out, method, pairs: keys.length, kept: kept.length, ...written }));
  } else console.log(`${method} keeps ${kept.length} of ${keys.length} pairs\n${out}`);
  if (written && !json) {
    console.log(
      `${written.pairs} pairs in ${written.shards.length} ${
        written.shards.length === 1 ? "shard" : "shards"
      } of ${folder}`,
    );
  }
  return ExitCode.ok;
}

/** The pairs of a data set that are kept. */
async function* chosen(
  source: DataSource,
  keys: readonly string[],
  captions: readonly string[],
  kept: Uint32Array,
): AsyncIterable<StoredPair> {
  // A picture may have several captions, some of which are kept.
  const name = (key: string, caption: string) => `${key}\n${caption}`;
  const wanted = new Set(Array.from(kept, (pair) => name(keys[pair], captions[pair])));
  for (const shard of source.shards) {
    for await (const sample of shard.read()) {
      if (sample instanceof BadSample) continue;
      const { key, caption } = sample;
      if (wanted.has(name(key, caption)) || wanted.has(name(fullKey(shard.name, key), caption))) yield sample;
    }
  }
}
