/**
 * Folders of pictures, as Hugging Face's imagefolder and torchvision's ImageFolder lay them out: with a table that names the
 * files, with a caption's file beside each picture, or in a folder for each class.
 *
 * @module
 */

import { join } from "node:path";
import { readError } from "../../storage/files.ts";
import { type ColumnNames, isPicture } from "./names.ts";
import { BadSample, type DataSource, type Shard, SourceError } from "./source.ts";
import { readAll, readText, storedFile } from "./stored_file.ts";
import { tableShard } from "./table.ts";

/** Tables that name a folder's pictures. */
const TABLES = ["metadata.jsonl", "metadata.csv", "metadata.tsv"];
/** Pictures of one shard: what is shuffled as a whole. */
const SHARD_PICTURES = 1000;

/** The paths of all files in a folder and in its folders, relative to it, sorted; hidden ones are left out. */
export async function listFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (prefix: string) => {
    try {
      for await (const entry of Deno.readDir(join(folder, prefix))) {
        if (entry.name.startsWith(".")) continue;
        const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
        const isFolder = entry.isSymlink
          ? (await Deno.stat(join(folder, path))).isDirectory
          : entry.isDirectory;
        if (isFolder) await visit(path);
        else found.push(path);
      }
    } catch (cause) {
      throw readError(join(folder, prefix), cause);
    }
  };
  await visit("");
  return found.sort();
}

/**
 * A folder of pictures.
 *
 * @param files what {@link listFiles} found
 * @throws SourceError when nothing says what its pictures show
 */
export function imageFolder(folder: string, files: readonly string[], columns?: ColumnNames): DataSource {
  const table = TABLES.find((name) => files.includes(name));
  if (table) return { name: folder, shards: [tableShard(storedFile(join(folder, table)), { columns })] };
  const pictures = files.filter(isPicture), all = new Set(files);
  if (pictures.length === 0) {
    throw new SourceError(
      `${folder} holds no data set: no shards (.tar, .parquet), no table (${
        TABLES.join(", ")
      }) and no pictures ` +
        "(.jpg, .png, .webp)",
      folder,
    );
  }
  const captioned = pictures.some((path) => all.has(captionFile(path)));
  const bare = pictures.find((path) => !path.includes("/"));
  if (!captioned && bare) {
    throw new SourceError(
      `${folder} says not what its pictures show: put a caption beside each (${
        captionFile(bare)
      }), write a metadata.csv with ` +
        "file_name and text, or sort them into a folder for each class",
      folder,
    );
  }
  const shards: Shard[] = [];
  for (let first = 0; first < pictures.length; first += SHARD_PICTURES) {
    const part = pictures.slice(first, first + SHARD_PICTURES);
    const name = pictures.length > SHARD_PICTURES ? `${folder}, from ${part[0]} on` : folder;
    shards.push(captioned ? captionedShard(name, folder, part, all) : classShard(name, folder, part));
  }
  return { name: folder, shards };
}

/** The file that holds a picture's caption. */
function captionFile(path: string): string {
  return path.replace(/\.[^.]+$/, ".txt");
}

function captionedShard(
  name: string,
  folder: string,
  pictures: readonly string[],
  all: ReadonlySet<string>,
): Shard {
  return {
    name,
    async *read(signal) {
      for (const path of pictures) {
        signal?.throwIfAborted();
        if (!all.has(captionFile(path))) {
          yield new BadSample(name, path, `has no caption: there is no ${captionFile(path)}`);
          continue;
        }
        const caption = (await readText(storedFile(join(folder, captionFile(path))), signal)).trim();
        if (caption === "") yield new BadSample(name, path, `has no caption: ${captionFile(path)} is empty`);
        else {yield {
            key: path,
            shard: name,
            image: await readAll(storedFile(join(folder, path)), signal),
            caption,
          };}
      }
    },
  };
}

function classShard(name: string, folder: string, pictures: readonly string[]): Shard {
  return {
    name,
    async *read(signal) {
      for (const path of pictures) {
        signal?.throwIfAborted();
        const label = path.split("/").at(-2)!.replace(/[_-]+/g, " ");
        const image = await readAll(storedFile(join(folder, path)), signal);
        yield { key: path, shard: name, image, caption: label, label };
      }
    },
  };
}
