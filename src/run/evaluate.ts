/**
 * Held-out evaluation of a dual encoder on a prepared test set.
 *
 * @module
 */

import type { Evaluation } from "../eval/evaluation.ts";
import { retrieval } from "../eval/retrieval.ts";
import { promptEnsemble, zeroShot } from "../eval/zero_shot.ts";
import type { DualEncoder } from "../models/model.ts";

/** A test set, tokenised: n pairs, and C classes with P prompts each where the pictures have classes. */
export interface TestSet {
  /** [n, I, I, 3] RGB bytes. */
  readonly pixels: Uint8Array;
  /** [n, T] token ids of the captions. */
  readonly tokens: Uint32Array;
  readonly classes?: {
    /** [n] class of each picture, 0 … C − 1. */
    readonly labels: Int32Array;
    /** [C·P, T] token ids of the prompts, those of a class one after another. */
    readonly promptTokens: Uint32Array;
    /** P */
    readonly prompts: number;
  };
}

/** Retrieval both ways, and zero-shot classification among the classes if there are any. */
export async function evaluate(model: DualEncoder, test: TestSet, patchSize?: number): Promise<Evaluation> {
  const width = model.config.embedding, { classes } = test;
  const image = await model.embedImages(test.pixels, { patchSize });
  const text = await model.embedTexts(test.tokens);
  const scores = retrieval(image, text, image.length / width, width);
  if (!classes) return scores;
  const means = promptEnsemble(await model.embedTexts(classes.promptTokens), classes.prompts, width);
  return { ...scores, zeroShot: zeroShot(image, classes.labels, means) };
}
