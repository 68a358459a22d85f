/**
 * Whole files on disk: written at once or not at all, with errors that say what to do.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";

/** A file that cannot be read or written; the message says why and what to do, `code` is the system's name for it. */
export class FileError extends Error {
  /** "FileError". */
  override readonly name = "FileError";

  /**
   * The error for one file.
   *
   * @param message what could not be done, why, and what to do
   * @param cause the system's error
   */
  constructor(
    message: string,
    /** The file. */
    readonly path: string,
    /** The system's error code such as `ENOSPC`, `NotCapable` where Deno refused, or "". */
    readonly code: string,
    cause: unknown,
  ) {
    super(message, { cause });
  }
}

/** What a file holds: bytes, whole or in pieces, or text. */
export type FileContent = Uint8Array | string | readonly Uint8Array[];

/** The pieces of what a file holds. */
export function piecesOf(content: FileContent): readonly Uint8Array[] {
  if (typeof content === "string") return [new TextEncoder().encode(content)];
  return content instanceof Uint8Array ? [content] : content;
}

/**
 * Writes a file in one stroke: a temporary file in the same folder, flushed, then renamed. Another program sees the
 * old file or the new one, never half of it; when it fails, the old file stays and nothing is left behind.
 *
 * @param path the file; its folder must exist
 * @throws FileError when the folder is missing, read-only or full, or the path is a folder
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${crypto.randomUUID().slice(0, 8)}.tmp`);
  try {
    using file = await Deno.open(temporary, { write: true, createNew: true });
    for (const bytes of piecesOf(content)) {
      for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
    }
    await file.sync();
  } catch (cause) {
    await Deno.remove(temporary).catch(() => {});
    throw writeError(path, cause);
  }
  try {
    await Deno.rename(temporary, path);
  } catch (cause) {
    await Deno.remove(temporary).catch(() => {});
    throw writeError(path, cause);
  }
}

/**
 * The bytes of a file.
 *
 * @throws FileError when it is missing, a folder, or not readable
 */
export async function readFileBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    throw readError(path, cause);
  }
}

/** The error for a failed write, by the system's reason. */
export function writeError(path: string, cause: unknown): FileError {
  const folder = dirname(path), code = systemCode(cause);
  const reason = WRITE_REASONS[code]?.(folder) ?? `${message(cause)}. Choose another folder`;
  return new FileError(`Cannot write "${path}": ${reason}`, path, code, cause);
}

/** The error for a failed read, by the system's reason. */
export function readError(path: string, cause: unknown): FileError {
  const code = systemCode(cause);
  const reason = READ_REASONS[code] ?? message(cause);
  return new FileError(`Cannot read "${path}": ${reason}`, path, code, cause);
}

/** Stands in for a system code where Deno's own permissions refuse. */
const NOT_CAPABLE = "NotCapable";

const full = (folder: string) =>
  `no space is left in "${folder}". Free some, or choose a folder on another disk`;
const readOnly = (folder: string) => `"${folder}" is read-only. Choose another folder, or mount it writable`;
const forbidden = (folder: string) =>
  `no permission to write in "${folder}". Choose another folder, or change its owner or mode`;

const WRITE_REASONS: Record<string, (folder: string) => string> = {
  ENOENT: (folder) => `the folder "${folder}" does not exist. Create it first: mkdir -p "${folder}"`,
  ENOTDIR: (folder) => `"${folder}" is not a folder. Choose another path`,
  EISDIR: () => "a folder of that name exists. Choose another name, or remove the folder",
  ENOSPC: full,
  EDQUOT: full,
  EROFS: readOnly,
  EACCES: forbidden,
  EPERM: forbidden,
  [NOT_CAPABLE]: (folder) => `Deno was not allowed to. Run with --allow-write="${folder}"`,
};

const READ_REASONS: Record<string, string> = {
  ENOENT: "there is no such file. Check the path; a run's files lie in its folder under runs/",
  ENOTDIR: "a part of its path is not a folder. Check the path",
  EISDIR: "it is a folder. Name the file inside it",
  EACCES: "no permission to read it. Change its owner or mode",
  [NOT_CAPABLE]: "Deno was not allowed to. Run with --allow-read",
};

function systemCode(cause: unknown): string {
  if (cause instanceof Deno.errors.NotCapable) return NOT_CAPABLE;
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
}

function message(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
