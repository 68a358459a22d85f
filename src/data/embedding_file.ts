/**
 * Embeddings with the keys of what was embedded, in a file: what `embed` writes, `search` looks through and `select` reads.
 * Safetensors, or Parquet with one row a pair.
 *
 * @module
 */

import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from "../storage/safetensors.ts";
import { floatListColumn, matrixRows, rootElement, textColumn } from "./parquet_schema.ts";

/** Unit embeddings by one model. */
export interface KeyedEmbeddings {
  /** [n]: what tells pairs of a shard apart; for captions alone the line of each. */
  readonly keys: readonly string[];
  /** [n]: where each pair lies; empty for captions alone. */
  readonly shards: readonly string[];
  /** [n] */
  readonly captions: readonly string[];
  /** [n, width], unit rows; null where no picture was embedded. */
  readonly image: Float32Array<ArrayBuffer> | null;
  /** [n, width], unit rows; null where no caption was embedded. */
  readonly text: Float32Array<ArrayBuffer> | null;
  readonly header: EmbeddingHeader;
}

/** What goes with the rows. */
export interface EmbeddingHeader {
  readonly format: typeof EMBEDDING_FORMAT;
  readonly width: number;
  /** α */
  readonly logitScale: number;
  /** β */
  readonly logitBias: number;
  /** Path of the model. */
  readonly model: string;
  /** SHA-256 of the model's file, in hex: another model's queries mean nothing here. */
  readonly modelHash: string;
  /** Path or address of the data; null for captions alone. */
  readonly data: string | null;
}

/** Marks a file of this kind, and its version. */
export const EMBEDDING_FORMAT = "superbatch embeddings 1";

/** Bytes of names that a safetensors header may hold: the format allows 100 MB in all. */
const HEADER_BYTES = 90_000_000;

/**
 * The file's bytes: Parquet where the name ends in .parquet, else safetensors.
 *
 * In safetensors, `image` and `text` [n, D], `logit_scale` and `logit_bias` are tensors, and keys, captions and shards JSON
 * lists in the metadata; `shard` [n] says which of the shards each pair lies in.
 *
 * @throws RangeError when keys and captions are too long for a safetensors header
 */
export function encodeEmbeddings(embeddings: KeyedEmbeddings, path: string): Uint8Array {
  const { keys, shards, captions, image, text, header } = embeddings;
  if (isParquet(path)) {
    const towers = Object.entries({ image, text }).filter((
      tower,
    ): tower is [string, Float32Array<ArrayBuffer>] => tower[1] !== null);
    return new Uint8Array(parquetWriteBuffer({
      columnData: [
        ...Object.entries({ key: keys, shard: shards, caption: captions })
          .map(([name, data]) => ({ name, data: [...data] })),
        ...towers.map(([name, rows]) => ({ name, data: matrixRows(rows, header.width) })),
      ],
      schema: [
        rootElement(3 + towers.length),
        ...["key", "shard", "caption"].map(textColumn),
        ...towers.flatMap(([name]) => floatListColumn(name)),
      ],
      kvMetadata: [{ key: "superbatch", value: JSON.stringify(header) }],
    }));
  }
  const names = [...new Set(shards)], places = new Map(names.map((name, at) => [name, at]));
  const lists = {
    keys: JSON.stringify(keys),
    captions: JSON.stringify(captions),
    shards: JSON.stringify(names),
  };
  const bytes = Object.values(lists).reduce((sum, list) => sum + JSON.stringify(list).length, 0);
  if (bytes > HEADER_BYTES) {
    throw new RangeError(
      `The keys and captions of ${keys.length} pairs take ${bytes} bytes, more than a safetensors header may hold: ` +
        "choose a name that ends in .parquet",
    );
  }
  const matrix = (data: Float32Array<ArrayBuffer>): SafetensorsTensor => ({
    dtype: "F32",
    shape: [data.length / header.width, header.width],
    data,
  });
  const scalar = (value: number): SafetensorsTensor => ({
    dtype: "F32",
    shape: [],
    data: Float32Array.of(value),
  });
  const tensors = new Map<string, SafetensorsTensor>([
    ["shard", {
      dtype: "U32",
      shape: [keys.length],
      data: Uint32Array.from(shards, (name) => places.get(name)!),
    }],
    ["logit_scale", scalar(header.logitScale)],
    ["logit_bias", scalar(header.logitBias)],
  ]);
  if (image) tensors.set("image", matrix(image));
  if (text) tensors.set("text", matrix(text));
  return writeSafetensors(tensors, { superbatch: JSON.stringify(header), ...lists });
}

/**
 * The embeddings of a file that {@link encodeEmbeddings} made.
 *
 * @param path names the file in errors and, by its ending, its kind
 * @throws TypeError when it is another kind of file, or does not fit together
 * @throws SafetensorsError when it is damaged
 */
export async function decodeEmbeddings(
  bytes: Uint8Array<ArrayBuffer>,
  path: string,
): Promise<KeyedEmbeddings> {
  return isParquet(path) ? await decodeParquet(bytes, path) : decodeTensors(bytes, path);
}

function isParquet(path: string): boolean {
  return /\.parquet$/i.test(path);
}

/** The header of a file, if it is one of this kind. */
function headerOf(note: string | undefined, path: string): EmbeddingHeader {
  const header = parse<EmbeddingHeader | undefined>(note, path);
  if (header?.format !== EMBEDDING_FORMAT) {
    throw new TypeError(
      `${path} holds no embeddings: expected "${EMBEDDING_FORMAT}". Make it with superbatch embed`,
    );
  }
  return header;
}

function parse<T>(note: string | undefined, path: string): T {
  try {
    return JSON.parse(note ?? "null");
  } catch (cause) {
    throw new TypeError(`${path}: its metadata are no JSON: the file is damaged`, { cause });
  }
}

function decodeTensors(bytes: Uint8Array, path: string): KeyedEmbeddings {
  const { tensors, metadata } = readSafetensors(bytes, { name: path });
  const header = headerOf(metadata.superbatch, path);
  const list = (name: string) => parse<string[]>(metadata[name], path) ?? [];
  const keys = list("keys"),
    captions = list("captions"),
    names = list("shards"),
    shard = tensors.get("shard");
  const rows = (name: string): Float32Array<ArrayBuffer> | null => {
    const tensor = tensors.get(name);
    if (!tensor) return null;
    if (!(tensor.data instanceof Float32Array) || String(tensor.shape) !== `${keys.length},${header.width}`) {
      throw new TypeError(
        `${path}: "${name}" is ${tensor.dtype} [${tensor.shape}], expected F32 [${keys.length},${header.width}]`,
      );
    }
    return tensor.data;
  };
  const fits = captions.length === keys.length && shard?.data instanceof Uint32Array &&
    shard.data.length === keys.length && shard.data.every((at) => at < names.length);
  if (!fits) {
    throw new TypeError(
      `${path}: its ${keys.length} keys, ${captions.length} captions and shards do not fit together`,
    );
  }
  const shards = Array.from(shard.data as Uint32Array, (at) => names[at]);
  return { keys, captions, shards, image: rows("image"), text: rows("text"), header };
}

async function decodeParquet(bytes: Uint8Array<ArrayBuffer>, path: string): Promise<KeyedEmbeddings> {
  let note: string | undefined, rows: Record<string, unknown>[];
  try {
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const metadata = parquetMetadata(file);
    note = metadata.key_value_metadata?.find(({ key }) => key === "superbatch")?.value;
    rows = note === undefined ? [] : await parquetReadObjects({ file, metadata });
  } catch (cause) {
    throw new TypeError(`${path} cannot be read as Parquet: ${(cause as Error).message}`, { cause });
  }
  const header = headerOf(note, path), { width } = header;
  const column = (name: string) =>
    rows.map((row, at) => {
      const value = row[name];
      if (typeof value !== "string") {
        throw new TypeError(`${path}: row ${at} holds no ${name}: the file is damaged`);
      }
      return value;
    });
  const matrix = (name: string): Float32Array<ArrayBuffer> | null => {
    if (rows.length === 0 || rows[0][name] === undefined) return null;
    const all = new Float32Array(rows.length * width);
    rows.forEach((row, at) => {
      const values = row[name];
      if (!Array.isArray(values) || values.length !== width || !values.every(Number.isFinite)) {
        throw new TypeError(
          `${path}: row ${at} does not hold ${width} finite numbers of ${name}: the file is damaged`,
        );
      }
      all.set(values, at * width);
    });
    return all;
  };
  return {
    keys: column("key"),
    shards: column("shard"),
    captions: column("caption"),
    image: matrix("image"),
    text: matrix("text"),
    header,
  };
}
