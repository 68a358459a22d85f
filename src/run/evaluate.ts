/**
 * Held-out evaluation of a dual encoder on a prepared test set.
 *
 * @module
 */

import type { Evaluation } from "../eval/evaluation.ts";
import { retrieval } from "../eval/retrieval.ts";
import { promptEnsemble, zeroShot } from "../eval/zero_shot.ts";
import type { DualEncoder } from "../models/model.ts";
import { type Member, sideBySide, together } from "./ensemble.ts";

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

/** A model's unit embeddings of a test set. */
export interface TestEmbeddings extends Member {
  /** [n, width] */
  readonly image: Float32Array;
  /** [n, width] */
  readonly text: Float32Array;
  /** [C·P, width]; null without classes. */
  readonly prompts: Float32Array | null;
}

/** Embeds a test set. */
export async function embedTest(
  model: DualEncoder,
  test: TestSet,
  patchSize?: number,
): Promise<TestEmbeddings> {
  return {
    image: await model.embedImages(test.pixels, { patchSize }),
    text: await model.embedTexts(test.tokens),
    prompts: test.classes ? await model.embedTexts(test.classes.promptTokens) : null,
    width: model.config.embedding,
    ...await model.logitScaleAndBias(),
  };
}

/** Retrieval both ways, and zero-shot classification among the classes if there are any; of several models as one. */
export function evaluateEmbeddings(
  members: readonly TestEmbeddings[],
  { classes }: Pick<TestSet, "classes">,
): Evaluation {
  const { width } = together(members);
  const image = sideBySide(members, ({ image }) => image), text = sideBySide(members, ({ text }) => text);
  const scores = retrieval(image, text, image.length / width, width);
  if (!classes) return scores;
  const prompts = sideBySide(members, ({ prompts }) => prompts!);
  const means = promptEnsemble(prompts, classes.prompts, width);
  return { ...scores, zeroShot: zeroShot(image, classes.labels, means) };
}

/** Embeds a test set and evaluates; see {@link evaluateEmbeddings}. */
export async function evaluate(model: DualEncoder, test: TestSet, patchSize?: number): Promise<Evaluation> {
  return evaluateEmbeddings([await embedTest(model, test, patchSize)], test);
}
