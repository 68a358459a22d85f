/**
 * WebDataset shards: tar files in which files of one name and different extensions make up a sample.
 *
 * https://github.com/webdataset/webdataset
 *
 * @module
 */

import { isPicture } from "./names.ts";
import { BadSample, type Shard, type StoredPair } from "./source.ts";
import type { StoredFile } from "./stored_file.ts";
import { readTar } from "./tar.ts";

const decoder = new TextDecoder();

/** A tar file as a shard; compressed by gzip where its name ends in .gz or .tgz. */
export function webDatasetShard(file: StoredFile): Shard {
  const name = file.address;
  return {
    name,
    async *read(signal) {
      let key: string | null = null;
      let parts = new Map<string, Uint8Array>();
      for await (const { name: path, bytes } of readTar(file, () => true, signal)) {
        signal?.throwIfAborted();
        // The key is the path up to the first dot of the file's name.
        const [, entryKey, kind] = /^((?:.*\/)?[^./][^./]*)\.([^/]+)$/.exec(path) ?? [];
        if (entryKey === undefined) continue; // no sample's: a listing, a licence
        if (entryKey !== key) {
          if (key !== null) yield sample(name, key, parts);
          [key, parts] = [entryKey, new Map()];
        }
        if (bytes !== null) parts.set(kind.toLowerCase(), bytes);
      }
      if (key !== null) yield sample(name, key, parts);
    },
  };
}

/** The pair that a sample's files make up. */
function sample(shard: string, key: string, parts: ReadonlyMap<string, Uint8Array>): StoredPair | BadSample {
  const bad = (reason: string) => new BadSample(shard, key, reason);
  const image = [...parts].find(([kind]) => isPicture(`.${kind}`))?.[1];
  if (!image) return bad(`has no picture (.jpg, .png or .webp), only .${[...parts.keys()].join(", .")}`);
  let metadata: Record<string, unknown> | undefined;
  const json = parts.get("json");
  if (json) {
    try {
      metadata = JSON.parse(decoder.decode(json));
    } catch (error) {
      return bad(`its .json cannot be read: ${(error as Error).message}`);
    }
  }
  const text = parts.get("txt") ?? parts.get("caption") ?? parts.get("text");
  const caption = text ? decoder.decode(text) : metadata?.caption ?? metadata?.text;
  if (typeof caption !== "string" || caption.trim() === "") {
    return bad("has no caption: neither a .txt, nor a .json with caption or text");
  }
  const label = parts.has("cls") ? decoder.decode(parts.get("cls")).trim() : "";
  return {
    key,
    shard,
    image,
    caption: caption.trim(),
    ...(label ? { label } : {}),
    ...(metadata ? { metadata } : {}),
  };
}
