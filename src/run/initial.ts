/**
 * The weights that a run starts from.
 *
 * @module
 */

import { sha256 } from "../data/cache.ts";
import type { TrainOptions } from "../config/train_options.ts";
import { type Checkpoint, readCheckpoint } from "../models/checkpoint.ts";
import { readFileBytes } from "../storage/files.ts";
import { contentKey } from "./reference.ts";

/** A checkpoint with what names it. */
export interface InitialWeights extends Checkpoint {
  /** A short name of its bytes. */
  readonly key: string;
}

/**
 * Reads the checkpoint that `--init` names.
 *
 * @throws {FileError} when there is no such file
 * @throws {SafetensorsError} when it is damaged
 * @throws TypeError when it is no checkpoint of superbatch, or holds no tokenizer
 */
export async function readInitial(path: string): Promise<InitialWeights> {
  const bytes = await readFileBytes(path), checkpoint = readCheckpoint(bytes, path);
  if (!checkpoint.notes.tokenizer) {
    throw new TypeError(
      `${path} holds no tokenizer, so captions cannot be read as it reads them: import it from a folder with ` +
        "tokenizer.json",
    );
  }
  return { ...checkpoint, key: await contentKey([...await sha256(bytes)]) };
}

/** Options with the weights that they name, whose size of pictures is the run's. */
export async function withInitial(
  options: TrainOptions,
): Promise<TrainOptions & { readonly initial?: InitialWeights }> {
  if (options.init === null) return options;
  const initial = await readInitial(options.init);
  return { ...options, initial, imageSize: initial.config.vision.imageSize };
}
