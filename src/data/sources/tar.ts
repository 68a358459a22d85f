/**
 * The files of a tar in order, with errors that name the byte where it is damaged.
 *
 * @module
 */

import { createTarDecoder } from "modern-tar";
import { SourceError } from "./source.ts";
import type { StoredFile } from "./stored_file.ts";

/** A file of a tar. */
export interface TarEntry {
  readonly name: string;
  /** Its content; null where it was not wanted. */
  readonly bytes: Uint8Array<ArrayBuffer> | null;
}

/**
 * Reads a tar, or a gzipped one where its name ends in .gz or .tgz.
 *
 * @param wanted tells which files' contents are read
 * @throws SourceError when it is cut short or damaged, with the byte (of the unpacked data), or out of reach
 */
export async function* readTar(
  file: StoredFile,
  wanted: (name: string, sizeBytes: number) => boolean,
  signal?: AbortSignal,
): AsyncGenerator<TarEntry> {
  const walk = new HeaderWalk();
  const failure: { cause?: unknown } = {};
  const stored = watch(file.stream(signal), failure);
  const plain = /\.(gz|tgz)$/i.test(file.address)
    ? stored.pipeThrough(new DecompressionStream("gzip"))
    : stored;
  const counted = plain.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        walk.pass(chunk);
        controller.enqueue(chunk);
      },
    }),
  );
  let last = "", entries = 0, inBody = false, given = false;
  try {
    for await (const { header, body } of counted.pipeThrough(createTarDecoder({ strict: true }))) {
      [last, inBody] = [header.name, true];
      const take = header.type === "file" && wanted(header.name, header.size);
      const bytes = take ? await new Response(body).bytes() : null;
      if (!take) await body.cancel();
      [inBody, given] = [false, true];
      entries++;
      if (header.type === "file") yield { name: header.name, bytes };
      given = false;
    }
  } catch (cause) {
    // What the consumer throws into a generator, and what kept the file from being read, is no fault of the tar.
    if (given) throw cause;
    if (failure.cause !== undefined) throw failure.cause;
    const where = last === "" ? "" : inBody ? `, within "${last}"` : `, after "${last}"`;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = /truncated/i.test(reason)
      ? `${file.address} is cut short: it ends at byte ${walk.length}${where}. Copy or download it again`
      : /checksum|header/i.test(reason)
      ? `${file.address} is damaged: the header at byte ${
        walk.headerAfter(entries)
      }${where} has a wrong checksum ` +
        `or is none. Copy or download it again`
      : `${file.address} is damaged near byte ${walk.length}${where}: ${reason.replace(/\.$/, "")}. ` +
        `Copy or download it again`;
    throw new SourceError(message, file.address, { cause });
  }
}

/** The same stream; its error is noted, because the streams behind it may put theirs in its place. */
function watch(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  failure: { cause?: unknown },
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  let cancelled = false;
  return new ReadableStream({
    async pull(controller) {
      const read = await reader.read().catch((cause) => {
        failure.cause = cause;
        throw cause;
      });
      if (cancelled) return; // the streams behind it failed while this read was under way
      if (read.done) controller.close();
      else controller.enqueue(read.value);
    },
    cancel(reason) {
      cancelled = true;
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

const BLOCK = 512;
/** Headers of extended attributes and long names: they belong to the file that follows. */
const PREFIXES = new Set(["x", "g", "L", "K"]);

/** Follows a tar's headers by their sizes, only to know at which byte each one begins. */
class HeaderWalk {
  /** Bytes that passed. */
  length = 0;
  /** Where the headers begin that follow the first, second, … entry. */
  readonly #after: number[] = [];
  #next = 0;
  readonly #header = new Uint8Array(BLOCK);

  pass(chunk: Uint8Array): void {
    const end = this.length + chunk.length;
    for (let at = Math.max(this.length, this.#next); at < end; at = Math.max(at, this.#next)) {
      const part = chunk.subarray(at - this.length, Math.min(this.#next + BLOCK, end) - this.length);
      this.#header.set(part, at - this.#next);
      at += part.length;
      if (at < this.#next + BLOCK) break;
      this.#next += BLOCK + Math.ceil(sizeOf(this.#header) / BLOCK) * BLOCK;
      if (!PREFIXES.has(String.fromCharCode(this.#header[156]))) this.#after.push(this.#next);
    }
    this.length = end;
  }

  headerAfter(entries: number): number {
    return entries === 0 ? 0 : this.#after[entries - 1];
  }
}

/** The size in a header: octal digits, or a binary number where the first bit is set. */
function sizeOf(header: Uint8Array): number {
  const field = header.subarray(124, 136);
  if (field[0] & 0x80) return field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  return parseInt(new TextDecoder().decode(field), 8) || 0;
}
