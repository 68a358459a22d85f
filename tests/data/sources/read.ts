/** What a source holds, in words. */
import { type OpenOptions, openSource } from "../../../src/data/sources/open_source.ts";
import { BadSample } from "../../../src/data/sources/source.ts";

/** Usable pairs as `key|caption|label|bytes`, and what is wrong with the others. */
export async function readSource(path: string, options?: OpenOptions) {
  const { shards } = await openSource(path, options);
  const good: string[] = [], bad: string[] = [];
  for (const shard of shards) {
    for await (const sample of shard.read()) {
      if (sample instanceof BadSample) bad.push(`${sample.key}: ${sample.reason}`);
      else good.push([sample.key, sample.caption, sample.label ?? "", sample.image.length].join("|"));
    }
  }
  return { good, bad, shards: shards.length };
}
