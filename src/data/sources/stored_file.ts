/**
 * One file wherever it lies: on disk, behind HTTP(S), or in an S3-compatible store.
 *
 * @module
 */

import { readError } from "../../storage/files.ts";
import { RemoteFile, type RemoteOptions } from "./remote.ts";
import { s3Request } from "./s3.ts";
import { SourceError } from "./source.ts";

/** A file that is read from its beginning or in part. */
export interface StoredFile {
  /** Path or address, for messages. */
  readonly address: string;
  /** Length in bytes. */
  size(signal?: AbortSignal): Promise<number>;
  /** The bytes from `start` up to `end`, which lies within the file. */
  slice(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /** All bytes in order. */
  stream(signal?: AbortSignal): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Whether an address names a file behind HTTP(S) or in an S3-compatible store. */
export function isRemote(address: string): boolean {
  return /^(https?|s3):\/\//i.test(address);
}

/** The file of a path or address; nothing is opened yet. */
export function storedFile(address: string, options: RemoteOptions = {}): StoredFile {
  if (/^https?:\/\//i.test(address)) return new RemoteFile(address, { url: address }, options);
  if (/^s3:\/\//i.test(address)) return new RemoteFile(address, s3Request(address), options);
  return new LocalFile(address);
}

/** All bytes of a file. */
export async function readAll(file: StoredFile, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of file.stream(signal)) {
    parts.push(part);
    length += part.length;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A file's text; a byte order mark is left out. */
export async function readText(file: StoredFile, signal?: AbortSignal): Promise<string> {
  const bytes = await readAll(file, signal);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SourceError(`${file.address} is not UTF-8 text. Save it as UTF-8`, file.address, { cause });
  }
}

class LocalFile implements StoredFile {
  constructor(readonly address: string) {}

  async size(): Promise<number> {
    try {
      return (await Deno.stat(this.address)).size;
    } catch (cause) {
      throw readError(this.address, cause);
    }
  }

  async slice(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      using file = await Deno.open(this.address);
      await file.seek(start, Deno.SeekMode.Start);
      const bytes = new Uint8Array(end - start);
      let filled = 0;
      while (filled < bytes.length) {
        const read = await file.read(bytes.subarray(filled));
        if (read === null) {
          throw new SourceError(
            `${this.address} ends at byte ${
              start + filled
            }, before byte ${end}: it was cut short. Copy it again`,
            this.address,
          );
        }
        filled += read;
      }
      return bytes;
    } catch (cause) {
      throw cause instanceof SourceError ? cause : readError(this.address, cause);
    }
  }

  stream(signal?: AbortSignal): ReadableStream<Uint8Array<ArrayBuffer>> {
    const path = this.address;
    let file: Deno.FsFile | undefined;
    const close = () => {
      file?.close();
      file = undefined;
    };
    return new ReadableStream({
      async pull(controller) {
        try {
          signal?.throwIfAborted();
          file ??= await Deno.open(path);
          const buffer = new Uint8Array(CHUNK_BYTES);
          const read = await file.read(buffer);
          if (read === null) {
            close();
            controller.close();
          } else controller.enqueue(buffer.subarray(0, read));
        } catch (cause) {
          close();
          throw signal?.aborted ? cause : readError(path, cause);
        }
      },
      cancel: close,
    }, { highWaterMark: 0 });
  }
}

const CHUNK_BYTES = 256 * 1024;
