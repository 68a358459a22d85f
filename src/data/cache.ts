/**
 * The folder where made things are kept from one run to the next.
 *
 * @module
 */

import { readFileBytes, writeError, writeFileAtomic } from "../storage/files.ts";

/**
 * The cache folder: the given one, else `$SUPERBATCH_CACHE`, else the system's place for caches.
 *
 * @param folder overrides all else
 */
export function cacheFolder(folder?: string): string {
  const variable = (name: string) => Deno.env.get(name) || undefined;
  const home = variable("HOME") ?? variable("USERPROFILE") ?? ".";
  if (folder) return folder;
  if (variable("SUPERBATCH_CACHE")) return variable("SUPERBATCH_CACHE")!;
  if (Deno.build.os === "windows") return `${variable("LOCALAPPDATA") ?? home}/superbatch`;
  if (Deno.build.os === "darwin") return `${home}/Library/Caches/superbatch`;
  return `${variable("XDG_CACHE_HOME") ?? `${home}/.cache`}/superbatch`;
}

/** Named byte strings in the cache folder, each followed on disk by its SHA-256. */
export interface KeptFiles {
  /** The bytes kept under a name; null when there are none, or when they are not what was written. */
  read(name: string): Promise<Uint8Array | null>;
  /**
   * Keeps bytes; a reader never sees half of them.
   *
   * @throws FileError when the folder cannot be made or written
   */
  write(name: string, bytes: Uint8Array): Promise<void>;
}

/** The files of a cache folder, which is made when the first is written. */
export function cacheFiles(folder?: string): KeptFiles {
  const root = cacheFolder(folder);
  return {
    async read(name) {
      try {
        const file = await readFileBytes(`${root}/${name}`);
        const bytes = file.subarray(0, -DIGEST_BYTES), digest = await sha256(bytes);
        return digest.every((byte, at) => byte === file[bytes.length + at]) ? bytes : null;
      } catch {
        return null;
      }
    },
    async write(name, bytes) {
      try {
        await Deno.mkdir(root, { recursive: true });
      } catch (cause) {
        throw writeError(root, cause);
      }
      const file = new Uint8Array(bytes.length + DIGEST_BYTES);
      file.set(bytes);
      file.set(await sha256(file.subarray(0, bytes.length)), bytes.length);
      await writeFileAtomic(`${root}/${name}`, file);
    },
  };
}

const DIGEST_BYTES = 32;

/** The SHA-256 of some bytes. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
