/**
 * Held-out evaluation of a dual encoder on a prepared test set.
 *
 * @module
 */

import type { Evaluation } from "../eval/evaluation.ts";
import { retrieval } from "../eval/retrieval.ts";
import { promptEnsemble, zeroShot } from "../eval/zero_shot.ts";
import type { DualEncoder } from "../models/model.ts";

/** A test set, tokenised: n pairs and C concepts with P prompts each. */
export interface TestSet {
  /** [n, I, I, 3] RGB bytes. */
  readonly pixels: Uint8Array;
  /** [n, T] token ids of the captions. */
  readonly tokens: Uint32Array;
  /** [n] concept of each picture, 0 … C − 1. */
  readonly labels: Int32Array;
  /** [C·P, T] token ids of the prompts, those of a concept one after another. */
  readonly promptTokens: Uint32Array;
  /** P */
  readonly prompts: number;
}

/** Retrieval both ways and zero-shot classification among all concepts. */
export async function evaluate(model: DualEncoder, test: TestSet, patchSize?: number): Promise<Evaluation> {
  const width = model.config.embedding, count = test.labels.length;
  const image = await model.embedImages(test.pixels, { patchSize });
  const text = await model.embedTexts(test.tokens);
  const classes = promptEnsemble(await model.embedTexts(test.promptTokens), test.prompts, width);
  return { ...retrieval(image, text, count, width), zeroShot: zeroShot(image, test.labels, classes) };
}
