/**
 * A model of the user's, ready to embed pictures and captions.
 *
 * @module
 */

import { sha256 } from "../data/cache.ts";
import type { Preprocessing } from "../data/images/preprocessing.ts";
import { encodeCaptions, loadTokenizer } from "../data/tokenizer.ts";
import type { Device } from "../gpu/device.ts";
import { preprocessingOf } from "../models/config.ts";
import { DualEncoder } from "../models/model.ts";
import { readRun } from "../report/run_folder.ts";
import { readFileBytes } from "../storage/files.ts";
import { savedOptions } from "./saved_run.ts";

/** A model with all that goes with it. */
export interface OpenModel extends Disposable {
  readonly model: DualEncoder;
  /** The file that it was read from. */
  readonly path: string;
  /** SHA-256 of that file, in hex. */
  readonly hash: string;
  /** Side of the patches that it is to see; its own when undefined. */
  readonly patchSize: number | undefined;
  /** How pictures are brought into its form. */
  readonly preprocessing: Preprocessing;
  /** Token ids of captions, [n, T]. */
  encode(captions: readonly string[]): Uint32Array;
}

/**
 * Opens a checkpoint, or the learner of a run.
 *
 * @param path a checkpoint (.safetensors), or the folder of a complete run
 * @throws {FileError} when there is no such file
 * @throws {RunFolderError} when the folder is no complete run
 * @throws {SafetensorsError} when the file is damaged
 * @throws TypeError when it is no checkpoint, or holds no tokenizer
 */
export async function openModel(device: Device, path: string): Promise<OpenModel> {
  if (/\.safetensors$/i.test(path)) return await openCheckpoint(device, path);
  const { patch } = savedOptions(await readRun(path));
  return await openCheckpoint(device, `${path}/learner.safetensors`, patch ?? undefined);
}

async function openCheckpoint(device: Device, path: string, patchSize?: number): Promise<OpenModel> {
  const bytes = await readFileBytes(path);
  const model = DualEncoder.load(device, bytes, { name: path });
  try {
    const { notes, config: { vision, text: { tokens } } } = model;
    if (!notes.tokenizer) {
      throw new TypeError(
        `${path} holds no tokenizer: use a checkpoint that superbatch train or import wrote`,
      );
    }
    const tokenizer = loadTokenizer(notes.tokenizer);
    const hash = Array.from(await sha256(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return {
      model,
      path,
      hash,
      patchSize,
      preprocessing: preprocessingOf(vision),
      encode: (captions) => encodeCaptions(tokenizer, captions, tokens),
      [Symbol.dispose]: () => model[Symbol.dispose](),
    };
  } catch (error) {
    model[Symbol.dispose]();
    throw error;
  }
}
