/**
 * Tables of paths and captions: CSV, TSV and JSON lines.
 *
 * @module
 */

import { Readable } from "node:stream";
import { dirname } from "node:path";
import { CsvError, parse } from "csv-parse";
import { extension } from "./names.ts";
import type { OpenOptions } from "./options.ts";
import { pairsOfRows, type Row } from "./rows.ts";
import { type Shard, SourceError } from "./source.ts";
import { isRemote, type StoredFile } from "./stored_file.ts";

/** A table as a shard; its pictures' paths start from the folder that it lies in. */
export function tableShard(file: StoredFile, options: OpenOptions = {}): Shard {
  const { address } = file;
  const folder = isRemote(address) ? address.replace(/\/[^/]*$/, "") : dirname(address);
  return {
    name: address,
    read: (signal) => pairsOfRows(address, tableRows(file, signal), folder, options, signal),
  };
}

/**
 * The rows of a table with their lines.
 *
 * @throws SourceError that names the line that cannot be read
 */
export function tableRows(
  file: StoredFile,
  signal?: AbortSignal,
): AsyncIterable<{ readonly key: string; readonly row: Row }> {
  const kind = extension(file.address);
  if (kind === ".jsonl" || kind === ".ndjson") return jsonRows(file, signal);
  return delimitedRows(file, kind === ".tsv" ? "\t" : ",", signal);
}

async function* delimitedRows(file: StoredFile, delimiter: string, signal?: AbortSignal) {
  const parser = Readable.fromWeb(file.stream(signal) as never).pipe(
    parse({
      columns: true,
      delimiter,
      bom: true,
      skip_empty_lines: true,
      info: true,
      relax_quotes: delimiter === "\t",
    }),
  );
  try {
    for await (const { record, info } of parser) yield { key: `line ${info.lines}`, row: record as Row };
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw new SourceError(`${file.address} cannot be read: ${cause.message}. Mend that line`, file.address, {
      cause,
    });
  }
}

async function* jsonRows(file: StoredFile, signal?: AbortSignal) {
  let line = 0;
  for await (const text of lines(file, signal)) {
    line++;
    if (text.trim() === "") continue;
    let row: unknown;
    try {
      row = JSON.parse(text);
    } catch (cause) {
      throw new SourceError(
        `${file.address}, line ${line}, is no JSON: ${(cause as Error).message}. Mend that line`,
        file.address,
        { cause },
      );
    }
    if (typeof row !== "object" || row === null || Array.isArray(row)) {
      throw new SourceError(`${file.address}, line ${line}, is no JSON object. Mend that line`, file.address);
    }
    yield { key: `line ${line}`, row: row as Row };
  }
}

async function* lines(file: StoredFile, signal?: AbortSignal): AsyncIterable<string> {
  let rest = "";
  for await (const text of file.stream(signal).pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest !== "") yield rest;
}
