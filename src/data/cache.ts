/**
 * The folder where made things are kept from one run to the next.
 *
 * @module
 */

import { readFileBytes, writeFileAtomic } from "../storage/files.ts";

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

/** Named byte strings in the cache folder. */
export interface KeptFiles {
  /** The bytes kept under a name, or null. */
  read(name: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Keeps bytes; a reader never sees half of them. */
  write(name: string, bytes: Uint8Array): Promise<void>;
}

/** The files of a cache folder, which is made when the first is written. */
export function cacheFiles(folder?: string): KeptFiles {
  const root = cacheFolder(folder);
  return {
    async read(name) {
      try {
        return await readFileBytes(`${root}/${name}`);
      } catch {
        return null;
      }
    },
    async write(name, bytes) {
      await Deno.mkdir(root, { recursive: true });
      await writeFileAtomic(`${root}/${name}`, bytes);
    },
  };
}
