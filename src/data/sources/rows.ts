/**
 * Rows of a table that name a picture's file and its caption.
 *
 * @module
 */

import { isAbsolute, join, relative, resolve } from "node:path";
import { pairColumns } from "./names.ts";
import type { OpenOptions } from "./options.ts";
import { BadSample, SourceError, type StoredPair } from "./source.ts";
import { isRemote, readAll, type StoredFile, storedFile } from "./stored_file.ts";

/**
 * The path of a file that a table or listing names, within the folder it may name files of.
 *
 * @param folder path or address, without a slash at its end
 * @returns null when it leads out of the folder
 */
export function pathWithin(folder: string, path: string): string | null {
  if (isRemote(path)) return path;
  if (isRemote(folder)) {
    const base = `${folder}/`, address = new URL(path, base).href;
    return address.startsWith(new URL(base).href) ? address : null;
  }
  const inside = relative(resolve(folder), resolve(folder, path));
  return inside === "" || inside.startsWith("..") || isAbsolute(inside) ? null : join(folder, inside);
}

/** A row by its columns. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * Reads the pictures that rows name.
 *
 * @param rows with the place of each, such as `line 7`
 * @param folder that pictures' paths start from
 * @throws SourceError when there is no column for pictures or captions
 */
export async function* pairsOfRows(
  shard: string,
  rows: AsyncIterable<{ readonly key: string; readonly row: Row }>,
  folder: string,
  { columns: names, remote }: OpenOptions,
  signal?: AbortSignal,
): AsyncIterable<StoredPair | BadSample> {
  let columns: { image: string; caption: string } | undefined;
  for await (const { key, row } of rows) {
    signal?.throwIfAborted();
    if (!columns) {
      const found = pairColumns(Object.keys(row), names);
      if ("problem" in found) throw new SourceError(`${shard} has ${found.problem}`, shard);
      columns = found;
    }
    const path = row[columns.image], caption = row[columns.caption];
    if (typeof path !== "string" || path.trim() === "") {
      yield new BadSample(shard, key, `names no picture in ${columns.image}`);
      continue;
    }
    if (typeof caption !== "string" || caption.trim() === "") {
      yield new BadSample(shard, key, `has no caption in ${columns.caption}`);
      continue;
    }
    const address = pathWithin(folder, path);
    if (address === null) {
      yield new BadSample(shard, key, `"${path}" leads out of ${folder || "."}`);
      continue;
    }
    const { [columns.image]: _image, [columns.caption]: _caption, ...metadata } = row;
    const label = typeof row.label === "string" && row.label !== "" ? { label: row.label } : {};
    const image = await readPicture(storedFile(address, remote), signal);
    yield typeof image === "string"
      ? new BadSample(shard, key, image)
      : { key: path, shard, image, caption: caption.trim(), metadata, ...label };
  }
}

/** A picture's bytes, or why there are none. */
async function readPicture(file: StoredFile, signal?: AbortSignal): Promise<Uint8Array | string> {
  try {
    return await readAll(file, signal);
  } catch (error) {
    // What the whole run was not allowed is no property of a sample.
    const denied = (error as Error).cause instanceof Deno.errors.NotCapable;
    if (signal?.aborted || denied) throw error;
    return (error as Error).message;
  }
}
