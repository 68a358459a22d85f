/**
 * Parquet files in the layout of Hugging Face's data sets: a column of pictures ({bytes, path}, or bytes alone) and one of
 * captions.
 *
 * @module
 */

import type { ParquetReply, ParquetRequest } from "./parquet_worker.ts";
import { pairColumns } from "./names.ts";
import type { OpenOptions } from "./options.ts";
import { BadSample, type Shard, SourceError, type StoredPair } from "./source.ts";
import type { StoredFile } from "./stored_file.ts";

/** How long a row group may take, unless another limit is given. */
const LIMIT_MS = 60_000;

/** How a Parquet file is read. */
export interface ParquetOptions extends OpenOptions {
  /** After so long without a row group the reader is ended; 60,000 ms when left out. */
  readonly limitMs?: number;
}

/** A Parquet file as a shard. */
export function parquetShard(
  { address }: StoredFile,
  { columns, remote, limitMs = LIMIT_MS }: ParquetOptions = {},
): Shard {
  return {
    name: address,
    async *read(signal) {
      using reader = new Reader(address, limitMs, signal);
      const opened = await reader.ask({ open: address, remote });
      if (!("groups" in opened)) throw reader.damaged("its metadata are missing");
      const found = pairColumns(opened.columns, columns);
      if ("problem" in found) throw new SourceError(`${address} has ${found.problem}`, address);
      const wanted = [
        found.image,
        found.caption,
        ...opened.columns.filter((name) => name === "label" || name === "key"),
      ];
      let row = 0;
      for (const group of opened.groups.keys()) {
        const reply = await reader.ask({ group, columns: wanted });
        if (!("rows" in reply)) throw reader.damaged(`row group ${group} is missing`);
        for (const values of reply.rows) {
          signal?.throwIfAborted();
          yield pair(address, row++, values, found);
        }
      }
    },
  };
}

function pair(
  shard: string,
  row: number,
  values: Readonly<Record<string, unknown>>,
  columns: { readonly image: string; readonly caption: string },
): StoredPair | BadSample {
  const image = bytesOf(values[columns.image]), caption = textOf(values[columns.caption])?.trim();
  const key = textOf(values.key) ?? `row ${row}`;
  if (!image) return new BadSample(shard, key, `has no picture in ${columns.image}`);
  if (!caption) return new BadSample(shard, key, `has no caption in ${columns.caption}`);
  const label = values.label === undefined ? undefined : textOf(values.label) ?? String(values.label);
  return { key, shard, image, caption, ...(label === undefined ? {} : { label }) };
}

/** A picture: {bytes, path} as Hugging Face writes it, or the bytes themselves. */
function bytesOf(value: unknown): Uint8Array | null {
  const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null)?.bytes;
  return bytes instanceof Uint8Array && bytes.length > 0 ? bytes : null;
}

const decoder = new TextDecoder();

/** A text: as such, as its bytes, or the first of a list of them. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return decoder.decode(value);
  return Array.isArray(value) && value.length > 0 ? textOf(value[0]) : undefined;
}

/** A worker that reads one file, and is ended when it does not answer. */
class Reader implements Disposable {
  readonly #worker = new Worker(new URL("./parquet_worker.ts", import.meta.url), { type: "module" });

  constructor(
    private readonly address: string,
    private readonly limitMs: number,
    private readonly signal?: AbortSignal,
  ) {}

  damaged(reason: string, cause?: unknown): SourceError {
    return new SourceError(
      `${this.address} cannot be read as Parquet: ${reason}. Fetch or write it anew, or leave it out`,
      this.address,
      { cause },
    );
  }

  async ask(request: ParquetRequest): Promise<ParquetReply> {
    let timer: ReturnType<typeof setTimeout> | undefined, stop: (() => void) | undefined;
    try {
      const reply = await new Promise<ParquetReply>((resolve, reject) => {
        this.signal?.throwIfAborted();
        this.signal?.addEventListener("abort", stop = () => reject(this.signal!.reason));
        this.#worker.onmessage = ({ data }: MessageEvent<ParquetReply>) => resolve(data);
        this.#worker.onerror = (event) => {
          event.preventDefault();
          reject(this.damaged(event.message));
        };
        timer = setTimeout(
          () =>
            reject(
              this.damaged(
                `reading a part of it takes more than ${this.limitMs} ms, so its reader was ended`,
              ),
            ),
          this.limitMs,
        );
        this.#worker.postMessage(request);
      });
      if ("problem" in reply) throw this.damaged(reply.problem);
      return reply;
    } finally {
      clearTimeout(timer);
      if (stop) this.signal?.removeEventListener("abort", stop);
    }
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
