/**
 * Pre-scored data: a reference's score and embeddings of every pair of a data set, in a file that `train` takes in place of
 * the reference, and that other tools read. Parquet, or JSON lines with the header in the first.
 *
 * @module
 */

import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { floatColumn, floatListColumn, matrixRows, rootElement, textColumn } from "./parquet_schema.ts";

/** A data set as one reference sees it. */
export interface ScoredPairs {
  /** [n]: what tells pairs apart; for the default data the number in the pool. */
  readonly keys: readonly string[];
  /** [n] */
  readonly captions: readonly string[];
  /** [n]: log σ(α zᴵ·zᵀ + β), at most 0; higher is easier for the reference. */
  readonly scores: Float32Array;
  /** [n, width], unit rows. */
  readonly image: Float32Array;
  /** [n, width], unit rows. */
  readonly text: Float32Array;
  readonly header: ScoredHeader;
}

/** What goes with the rows. */
export interface ScoredHeader {
  readonly format: typeof FORMAT;
  readonly width: number;
  /** α */
  readonly logitScale: number;
  /** β */
  readonly logitBias: number;
  /** SHA-256 of the pixels and captions that were scored, in hex. */
  readonly data: string;
}

/** Marks a file of this kind, and its version. */
export const FORMAT = "superbatch scored pairs 1";

/** The file's bytes: JSON lines where the name ends in .jsonl, else Parquet. */
export function encodeScored(pairs: ScoredPairs, path: string): Uint8Array {
  const { keys, captions, scores, header } = pairs, { width } = header;
  const row = (all: Float32Array, pair: number) => Array.from(all.subarray(pair * width, (pair + 1) * width));
  if (isLines(path)) {
    const lines = keys.map((key, pair) =>
      JSON.stringify({
        key,
        caption: captions[pair],
        score: scores[pair],
        image: row(pairs.image, pair),
        text: row(pairs.text, pair),
      })
    );
    return new TextEncoder().encode([JSON.stringify(header), ...lines, ""].join("\n"));
  }
  return new Uint8Array(parquetWriteBuffer({
    columnData: [
      { name: "key", data: [...keys] },
      { name: "caption", data: [...captions] },
      { name: "score", data: scores },
      { name: "image", data: matrixRows(pairs.image, width) },
      { name: "text", data: matrixRows(pairs.text, width) },
    ],
    schema: [
      rootElement(5),
      textColumn("key"),
      textColumn("caption"),
      floatColumn("score"),
      ...floatListColumn("image"),
      ...floatListColumn("text"),
    ],
    kvMetadata: [{ key: "superbatch", value: JSON.stringify(header) }],
  }));
}

/**
 * The pairs of a file that {@link encodeScored} made.
 *
 * @param path names the file in errors and, by its ending, its kind
 * @throws TypeError when it is damaged or another kind of file, with the row where it is one
 */
export async function decodeScored(bytes: Uint8Array<ArrayBuffer>, path: string): Promise<ScoredPairs> {
  const { header, rows } = isLines(path) ? decodeLines(bytes, path) : await decodeParquet(bytes, path);
  if (header?.format !== FORMAT) {
    throw new TypeError(`${path} holds no scored pairs: expected "${FORMAT}". Make it with superbatch score`);
  }
  const { width } = header, n = rows.length;
  const image = new Float32Array(n * width), text = new Float32Array(n * width), scores = new Float32Array(n);
  rows.forEach(({ key, caption, score, image: seen, text: read }, pair) => {
    const sound = typeof key === "string" && typeof caption === "string" && Number.isFinite(score) &&
      [seen, read].every((row) => Array.isArray(row) && row.length === width && row.every(Number.isFinite));
    if (!sound) {
      throw new TypeError(
        `${path}: pair ${pair} does not hold key, caption, score, and ${width} finite numbers each of image and text`,
      );
    }
    image.set(seen, pair * width);
    text.set(read, pair * width);
    scores[pair] = score;
  });
  return {
    keys: rows.map(({ key }) => key),
    captions: rows.map(({ caption }) => caption),
    scores,
    image,
    text,
    header,
  };
}

interface Row {
  readonly key: string;
  readonly caption: string;
  readonly score: number;
  readonly image: number[];
  readonly text: number[];
}

interface Decoded {
  readonly header: ScoredHeader | undefined;
  readonly rows: readonly Row[];
}

function isLines(path: string): boolean {
  return /\.jsonl$/i.test(path);
}

function decodeLines(bytes: Uint8Array, path: string): Decoded {
  const parsed = new TextDecoder().decode(bytes).split("\n").filter((line) => line !== "").map((line, at) => {
    try {
      return JSON.parse(line);
    } catch (cause) {
      throw new TypeError(`${path}: line ${at + 1} is no JSON: the file is damaged`, { cause });
    }
  });
  return { header: parsed[0], rows: parsed.slice(1) };
}

async function decodeParquet(bytes: Uint8Array<ArrayBuffer>, path: string): Promise<Decoded> {
  try {
    const { buffer, byteOffset, byteLength } = bytes,
      file = buffer.slice(byteOffset, byteOffset + byteLength);
    const metadata = parquetMetadata(file);
    const note = metadata.key_value_metadata?.find(({ key }) => key === "superbatch")?.value;
    const header = note === undefined ? undefined : JSON.parse(note);
    return { header, rows: header ? await parquetReadObjects({ file, metadata }) as unknown as Row[] : [] };
  } catch (cause) {
    throw new TypeError(`${path} cannot be read as Parquet: ${(cause as Error).message}`, { cause });
  }
}
