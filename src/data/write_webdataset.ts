/**
 * Pairs written as WebDataset shards.
 *
 * @module
 */

import { join } from "node:path";
import { packTar, type TarEntry } from "modern-tar";
import { writeError, writeFileAtomic } from "../storage/files.ts";
import { readImageInfo } from "./images/image_info.ts";
import type { StoredPair } from "./sources/source.ts";

/** How shards are written. */
export interface WriteOptions {
  /** Pairs of a shard; 1,000 when left out. */
  readonly shardPairs?: number;
  /** Told how many pairs were written. */
  readonly onProgress?: (done: number) => void;
}

/** A shard is closed before it grows beyond this, so that it fits into memory. */
const MOST_BYTES = 256 * 2 ** 20;

/** Endings of the pictures' files. */
const endings = { jpeg: "jpg", png: "png", webp: "webp" } as const;

/**
 * Writes pairs as shards `00000.tar`, `00001.tar`, …, each pair as its picture's own bytes, `.txt`, and `.json` and `.cls` where it has
 * metadata and a class. Each shard is there whole or not at all.
 *
 * @param folder is made when it is not there
 * @returns the shards' paths and how many pairs they hold
 * @throws {FileError} when the folder cannot be written
 * @throws {ImageError} when a picture is of no known format
 */
export async function writeWebDataset(
  pairs: AsyncIterable<StoredPair>,
  folder: string,
  { shardPairs = 1000, onProgress }: WriteOptions = {},
): Promise<{ readonly shards: readonly string[]; readonly pairs: number }> {
  await Deno.mkdir(folder, { recursive: true }).catch((cause) => {
    throw writeError(folder, cause);
  });
  const shards: string[] = [];
  let entries: TarEntry[] = [], inShard = 0, bytes = 0, written = 0;
  const close = async () => {
    if (inShard === 0) return;
    const path = join(folder, `${`${shards.length}`.padStart(5, "0")}.tar`);
    await writeFileAtomic(path, await packTar(entries));
    shards.push(path);
    onProgress?.(written);
    [entries, inShard, bytes] = [[], 0, 0];
  };
  for await (const pair of pairs) {
    const files = filesOf(pair, written), size = files.reduce((sum, { body }) => sum + body.length, 0);
    if (inShard === shardPairs || (inShard > 0 && bytes + size > MOST_BYTES)) await close();
    for (const { name, body } of files) {
      entries.push({ header: { name, size: body.length, type: "file", mtime: new Date(0) }, body });
    }
    inShard++;
    bytes += size;
    written++;
  }
  await close();
  return { shards, pairs: written };
}

/** The files of a pair; their common name has no dot and no folder, which readers would take apart. */
function filesOf(
  { key, image, caption, label, metadata }: StoredPair,
  number: number,
): { readonly name: string; readonly body: Uint8Array }[] {
  const name = `${`${number}`.padStart(9, "0")}_${key.replace(/[^\p{L}\p{N}_-]+/gu, "_").slice(-60)}`;
  const text = (content: string) => new TextEncoder().encode(content);
  return [
    { name: `${name}.${endings[readImageInfo(image).format]}`, body: image },
    { name: `${name}.txt`, body: text(caption) },
    { name: `${name}.json`, body: text(JSON.stringify({ ...metadata, key, caption })) },
    ...(label === undefined ? [] : [{ name: `${name}.cls`, body: text(label) }]),
  ];
}
