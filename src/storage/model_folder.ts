/**
 * Folders of model files as Hugging Face lays them out: configurations as text, weights as safetensors, whole or in shards.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { duplicateKey } from "./duplicate_key.ts";
import { type FileContent, FileError, readFileBytes, writeError, writeFileAtomic } from "./files.ts";
import { readSafetensors, SafetensorsError, type SafetensorsTensor } from "./safetensors.ts";

/** The texts that are read where they are there. */
export const modelTexts = [
  "config.json",
  "preprocessor_config.json",
  "processor_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
] as const;

/** Weights in one file, and the index of weights in several. */
export const WEIGHTS = "model.safetensors";
/** Which tensor is in which shard. */
export const WEIGHTS_INDEX = "model.safetensors.index.json";

/** A folder of model files. */
export interface ModelFolder {
  /** Its path. */
  readonly name: string;
  /** Those of {@link modelTexts} that are there. */
  readonly texts: ReadonlyMap<string, string>;
  /** All tensors, each with the name of its file. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor & { readonly file: string }>;
}

/**
 * Reads a folder of model files.
 *
 * @throws {FileError} when it holds no weights, or a file cannot be read
 * @throws {SafetensorsError} when weights are damaged, or a shard lacks a tensor that the index says it has
 */
export async function readModelFolder(path: string): Promise<ModelFolder> {
  const texts = new Map<string, string>();
  for (const name of modelTexts) {
    const bytes = await readIfThere(join(path, name));
    if (bytes) texts.set(name, new TextDecoder().decode(bytes));
  }
  const index = await readIfThere(join(path, WEIGHTS_INDEX));
  const placed = index && shardsOf(new TextDecoder().decode(index), join(path, WEIGHTS_INDEX));
  if (!placed && !await isThere(join(path, WEIGHTS))) {
    throw new FileError(
      `Cannot read weights from "${path}": it holds neither ${WEIGHTS} nor ${WEIGHTS_INDEX}. Give a folder with them; ` +
        "weights as pytorch_model.bin are to be saved as safetensors first",
      path,
      "ENOENT",
      undefined,
    );
  }
  const tensors = new Map<string, SafetensorsTensor & { readonly file: string }>();
  for (const file of placed ? new Set(placed.values()) : [WEIGHTS]) {
    const full = join(path, file), held = readSafetensors(await readFileBytes(full), { name: full });
    for (const [name, tensor] of held.tensors) {
      if (placed && placed.get(name) !== file) continue;
      tensors.set(name, { ...tensor, file });
    }
  }
  for (const [name, file] of placed ?? []) {
    if (!tensors.has(name)) {
      throw new SafetensorsError(
        `${WEIGHTS_INDEX} says that it holds this tensor, and it does not: copy both again`,
        join(path, file),
        name,
      );
    }
  }
  return { name: path, texts, tensors };
}

/**
 * The shard of every tensor, by the text of an index.
 *
 * @param name what to call the index in errors
 * @throws {SafetensorsError} when it is no index, or a shard does not lie beside it
 */
export function shardsOf(text: string, name: string): Map<string, string> {
  let value: { weight_map?: unknown };
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SafetensorsError(`it is no JSON (${(cause as Error).message})`, name);
  }
  const map = value?.weight_map;
  if (typeof map !== "object" || map === null || Object.keys(map).length === 0) {
    throw new SafetensorsError('it has no "weight_map": it is no index of shards', name);
  }
  const repeated = duplicateKey(text);
  if (repeated !== undefined) throw new SafetensorsError(`it gives the name "${repeated}" twice`, name);
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== "string" || file !== basename(file) || !file.endsWith(".safetensors")) {
      throw new SafetensorsError(
        `its shard ${JSON.stringify(file)} is no safetensors file beside the index`,
        name,
        tensor,
      );
    }
  }
  return new Map(Object.entries(map as Record<string, string>));
}

/**
 * Writes files into a folder, which is made if need be; each appears whole or not at all, `config.json` last.
 *
 * @param files by path in the folder
 * @throws {FileError} when the folder cannot be made or written
 */
export async function writeModelFolder(
  path: string,
  files: ReadonlyMap<string, FileContent>,
): Promise<void> {
  const LAST = "config.json";
  for (const [name, content] of [...files].sort(([a], [b]) => Number(a === LAST) - Number(b === LAST))) {
    const full = join(path, name);
    try {
      await Deno.mkdir(dirname(full), { recursive: true });
    } catch (cause) {
      throw writeError(full, cause);
    }
    await writeFileAtomic(full, content);
  }
}

async function readIfThere(path: string): Promise<Uint8Array | null> {
  return await isThere(path) ? await readFileBytes(path) : null;
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) return false;
    throw cause;
  }
}
