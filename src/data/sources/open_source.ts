/**
 * A data set by its path: what lies there decides how it is read.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { readError } from "../../storage/files.ts";
import { imageFolder, listFiles } from "./image_folder.ts";
import { extension, nearestName } from "./names.ts";
import type { OpenOptions } from "./options.ts";
import { parquetShard } from "./parquet.ts";
import type { RemoteOptions } from "./remote.ts";
import { listS3 } from "./s3.ts";
import { type DataSource, type Shard, SourceError } from "./source.ts";
import { isRemote, storedFile } from "./stored_file.ts";
import { tableShard } from "./table.ts";
import { webDatasetShard } from "./webdataset.ts";

/** What stands between several data sets in one path, as in open_clip. */
const SEPARATOR = "::";

/**
 * Opens a data set. The path may be
 * - shards: `pairs-{000..012}.tar` (WebDataset; `.tar.gz` too), `train-*.parquet` (Hugging Face), or one of them,
 * - a table of paths and captions: `pairs.csv`, `.tsv`, `.jsonl`,
 * - a folder of shards, or of pictures with a table, captions beside them, or a folder for each class,
 * - the address of any of these but a folder of pictures: `https://…`, `s3://bucket/prefix`,
 * - several of these, joined by `::`.
 *
 * @throws SourceError when there is nothing there, or nothing that is known; it names what is nearest
 * @throws FileError when it cannot be read
 */
export async function openSource(path: string, options: OpenOptions = {}): Promise<DataSource> {
  const sources = await Promise.all(splitSources(path).map((part) => openOne(part, options)));
  return sources.length === 1 ? sources[0] : { name: path, shards: sources.flatMap(({ shards }) => shards) };
}

/** The parts of a path that names several data sets, joined by `::`. */
export function splitSources(path: string): string[] {
  return path.split(SEPARATOR);
}

export type { OpenOptions };

async function openOne(path: string, options: OpenOptions): Promise<DataSource> {
  if (path === "") throw new SourceError("An empty path names no data set", path);
  const named = await Promise.all(expandBraces(path).map((name) => expandStars(name, options)));
  const places = named.flat();
  if (places.length === 1) {
    const [place] = places, kind = isRemote(place) ? "file" : await localKind(place);
    if (kind === "folder") return await openFolder(place, options);
    if (kind === null) throw await missing(place);
  } else {
    for (const place of places) {
      if (!isRemote(place) && await localKind(place) !== "file") throw await missing(place);
    }
  }
  return { name: path, shards: places.map((place) => shardOf(place, options)) };
}

/** A file as a shard, by the end of its name. */
function shardOf(address: string, { columns, remote }: OpenOptions): Shard {
  const file = storedFile(address, remote);
  if (/\.(tar|tar\.gz|tgz)$/i.test(address.replace(/[?#].*$/, ""))) return webDatasetShard(file);
  switch (extension(address)) {
    case ".parquet":
      return parquetShard(file, { columns, remote });
    case ".csv":
    case ".tsv":
    case ".jsonl":
    case ".ndjson":
      return tableShard(file, { columns, remote });
    default:
      throw new SourceError(
        `${address} is no data set by its name: use .tar, .parquet, .csv, .tsv or .jsonl, or a folder`,
        address,
      );
  }
}

async function openFolder(folder: string, options: OpenOptions): Promise<DataSource> {
  const files = await listFiles(folder);
  for (
    const shards of [
      files.filter((name) => /\.(tar|tar\.gz|tgz)$/i.test(name)),
      files.filter((name) => extension(name) === ".parquet"),
    ]
  ) {
    if (shards.length > 0) {
      refuseSplits(folder, shards);
      return { name: folder, shards: shards.map((name) => shardOf(join(folder, name), options)) };
    }
  }
  return imageFolder(folder, files, options.columns);
}

/**
 * Refuses shards of several splits: nobody wants to train on a test set unawares.
 *
 * @throws SourceError that names them
 */
function refuseSplits(folder: string, shards: readonly string[]): void {
  const splitOf = (name: string) => /(?:^|\/)(train|test|validation|valid|val|dev)[-_./]/i.exec(name)?.[1];
  const splits = new Map(shards.flatMap((name) => {
    const split = splitOf(name);
    return split ? [[split.toLowerCase(), name] as const] : [];
  }));
  if (splits.size < 2) return;
  const [[split, example]] = splits;
  throw new SourceError(
    `${folder} holds the splits ${[...splits.keys()].join(", ")}: name one, such as ${
      join(folder, example.replace(new RegExp(`${split}.*$`, "i"), `${split}*`))
    }`,
    folder,
  );
}

async function localKind(path: string): Promise<"file" | "folder" | null> {
  try {
    return (await Deno.stat(path)).isDirectory ? "folder" : "file";
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) return null;
    throw readError(path, cause);
  }
}

async function missing(path: string): Promise<SourceError> {
  const folder = dirname(path), near = nearestName(basename(path), await namesIn(folder));
  return new SourceError(
    `There is no data set at ${path}${near ? `: did you mean ${join(folder, near)}?` : ". Look at the path"}`,
    path,
  );
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  } catch {
    return []; // the folder is not there either
  }
}

/** `a-{00..02}.tar` is three names, `{a,b}.csv` two; several braces are all combined. */
export function expandBraces(path: string): string[] {
  const brace = /\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}/.exec(path);
  if (!brace) return [path];
  const [whole, from, to, list] = brace;
  const before = path.slice(0, brace.index), after = path.slice(brace.index + whole.length);
  let inner: string[];
  if (list !== undefined) inner = list.split(",");
  else {
    const first = Number(from), count = Number(to) - first + 1;
    if (count < 1) {
      throw new SourceError(`${path}: ${whole} counts down. Write the smaller number first`, path);
    }
    inner = Array.from({ length: count }, (_, at) => `${first + at}`.padStart(from.length, "0"));
  }
  return inner.flatMap((part) => expandBraces(before + part + after));
}

/** The files that a name with `*` stands for, sorted; in an S3-compatible store also those under a prefix that ends in `/`. */
async function expandStars(path: string, { remote }: OpenOptions): Promise<string[]> {
  const s3 = /^s3:\/\//i.test(path);
  if (s3 && path.endsWith("/")) return await listed(`${path}*`, remote);
  if (!path.includes("*") || (isRemote(path) && !s3)) return [path];
  if (s3) return await listed(path, remote);
  const folder = dirname(path), wanted = pattern(basename(path));
  const found = (await namesIn(folder)).filter((name) => wanted.test(name)).sort();
  if (found.length === 0) throw new SourceError(`No file in ${folder} is called ${basename(path)}`, path);
  return found.map((name) => join(folder, name));
}

async function listed(path: string, remote?: RemoteOptions): Promise<string[]> {
  const keys = await listS3(path.slice(0, path.indexOf("*")), remote ?? {}), wanted = pattern(path);
  const found = keys.filter((key) => wanted.test(key));
  if (found.length === 0) throw new SourceError(`The store has no ${path}`, path);
  return found;
}

/** A name with `*` as a regular expression. */
function pattern(name: string): RegExp {
  return new RegExp(`^${name.split("*").map((part) => RegExp.escape(part)).join(".*")}$`);
}
