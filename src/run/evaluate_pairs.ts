/**
 * Evaluation of a model on the user's own pairs: retrieval, zero-shot classification and linear probes.
 *
 * @module
 */

import { type CaptionRetrieval, captionRetrieval } from "../eval/caption_retrieval.ts";
import type { ZeroShotScore } from "../eval/evaluation.ts";
import { fewShot, type FewShotScore } from "../eval/few_shot.ts";
import { promptsOf } from "../eval/prompt_templates.ts";
import { promptEnsemble, zeroShot } from "../eval/zero_shot.ts";
import type { EmbeddedPairs } from "./embed_pairs.ts";
import type { OpenModel } from "./open_model.ts";

/** A class of zero-shot classification. */
export interface ClassName {
  /** What the data call it. */
  readonly label: string;
  /** What prompts call it. */
  readonly name: string;
}

/** What is evaluated beside retrieval. */
export interface PairEvaluationOptions {
  /** The classes; the data's labels in alphabetical order when left out. */
  readonly classes?: readonly ClassName[];
  /** Prompts with `{}` for the class. */
  readonly templates: readonly string[];
  /** Examples a class that linear probes are fitted to, one after another. */
  readonly shots: readonly number[];
  /** Draws of those examples. */
  readonly seeds: readonly number[];
}

/** What an evaluation on pairs says. */
export interface PairEvaluation {
  /** Distinct pictures, and their captions. */
  readonly pictures: number;
  readonly captions: number;
  /** Samples that were skipped. */
  readonly bad: number;
  readonly retrieval: CaptionRetrieval;
  /** Only where pictures have classes. */
  readonly zeroShot?: ZeroShotScore & { readonly classes: number; readonly templates: number };
  /** One for each number of shots. */
  readonly linearProbe?: readonly FewShotScore[];
}

/**
 * Evaluates embeddings of both towers.
 *
 * @throws RangeError when a picture's label is no class, or a class has too few examples for the shots
 */
export async function evaluatePairs(
  { model, encode }: OpenModel,
  embedded: EmbeddedPairs,
  { classes, templates, shots, seeds }: PairEvaluationOptions,
): Promise<PairEvaluation> {
  const width = model.config.embedding,
    { pictureOf, image, labels, places } = distinctPictures(embedded, width);
  const retrieval = captionRetrieval(image, embedded.text!, pictureOf, width);
  const base = { pictures: places.length, captions: embedded.keys.length, bad: embedded.bad, retrieval };
  const named = classes ?? namesOf(labels);
  if (named.length === 0) {
    if (shots.length > 0) {
      throw new RangeError("These pictures have no labels, so no probe can be fitted: leave out --shots");
    }
    return base;
  }
  const numbers = new Map(named.map(({ label }, at) => [label, at]));
  const known = Int32Array.from(labels, (label, picture) => {
    const number = label === undefined ? undefined : numbers.get(label);
    if (number === undefined) {
      throw new RangeError(
        `Picture "${places[picture]}" ${
          label === undefined ? "has no label" : `has the label "${label}"`
        }, ` +
          `which is none of the ${named.length} classes: add it to --classes, or take the picture out`,
      );
    }
    return number;
  });
  const prompts = promptsOf(named.map(({ name }) => name), templates);
  const classRows = promptEnsemble(await model.embedTexts(encode(prompts)), templates.length, width);
  const labelNames = named.map(({ label }) => label);
  return {
    ...base,
    zeroShot: { ...zeroShot(image, known, classRows), classes: named.length, templates: templates.length },
    ...(shots.length > 0
      ? { linearProbe: shots.map((count) => fewShot(image, known, labelNames, { shots: count, seeds })) }
      : {}),
  };
}

/** The labels that occur, as people write them: "hot_dog" is asked for as "hot dog". */
function namesOf(labels: readonly (string | undefined)[]): ClassName[] {
  return [...new Set(labels)].filter((label) => label !== undefined).sort()
    .map((label) => ({ label, name: label.replaceAll(/[_-]+/g, " ") }));
}

/** Each picture once, and which of them every caption belongs to. */
function distinctPictures({ keys, shards, image, labels }: EmbeddedPairs, width: number) {
  const numbers = new Map<string, number>(), first: number[] = [];
  const pictureOf = Int32Array.from(
    keys,
    (key, row) => numbers.getOrInsertComputed(JSON.stringify([shards[row], key]), () => first.push(row) - 1),
  );
  const rows = new Float32Array(first.length * width);
  first.forEach((row, at) => rows.set(image!.subarray(row * width, (row + 1) * width), at * width));
  return {
    pictureOf,
    image: rows,
    labels: first.map((row) => labels[row]),
    places: first.map((row) => keys[row]),
  };
}
