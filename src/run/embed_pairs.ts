/**
 * Stored pairs, or captions alone, as a model's unit embeddings with their keys.
 *
 * @module
 */

import { EMBEDDING_FORMAT, type EmbeddingHeader, type KeyedEmbeddings } from "../data/embedding_file.ts";
import { type ReadOptions, readPairs } from "../data/read_pairs.ts";
import type { BadSample } from "../data/sources/source.ts";
import type { OpenModel } from "./open_model.ts";

/** Which of its two towers a model embeds with. */
export type Tower = "image" | "text";

/** What was embedded. */
export interface EmbeddedPairs extends KeyedEmbeddings {
  /** [n]: name of the class; undefined where there are none. */
  readonly labels: readonly (string | undefined)[];
  /** Samples that were skipped. */
  readonly bad: number;
}

/**
 * Embeds the pairs of a data set, a block at a time: only embeddings stay in memory.
 *
 * @param source a path that `openSource` understands
 * @param options.towers what to embed; both when left out
 * @throws SourceError when the data cannot be read
 * @throws RangeError when too many samples are unusable
 */
export async function embedPairs(
  opened: OpenModel,
  source: string,
  { towers = ["image", "text"], onBad, ...options }: ReadOptions & { towers?: readonly Tower[] } = {},
): Promise<EmbeddedPairs> {
  const { model, patchSize, preprocessing, encode } = opened;
  const keys: string[] = [],
    shards: string[] = [],
    captions: string[] = [],
    labels: (string | undefined)[] = [];
  const image: Float32Array[] = [], text: Float32Array[] = [];
  let bad = 0;
  const count = (sample: BadSample) => {
    bad++;
    onBad?.(sample);
  };
  for await (const block of readPairs(source, preprocessing, { ...options, onBad: count })) {
    if (towers.includes("image")) image.push(await model.embedImages(block.pixels, { patchSize }));
    if (towers.includes("text")) text.push(await model.embedTexts(encode(block.captions)));
    keys.push(...block.keys);
    shards.push(...block.shards);
    captions.push(...block.captions);
    labels.push(...block.labels);
  }
  return {
    keys,
    shards,
    captions,
    labels,
    image: towers.includes("image") ? joined(image) : null,
    text: towers.includes("text") ? joined(text) : null,
    header: await headerFor(opened, source),
    bad,
  };
}

/**
 * Embeds captions alone; their keys are their numbers, from 1.
 *
 * @throws RangeError when there is none
 */
export async function embedCaptions(
  opened: OpenModel,
  captions: readonly string[],
  name: string,
): Promise<EmbeddedPairs> {
  if (captions.length === 0) throw new RangeError(`${name} holds no caption: write one a line`);
  return {
    keys: captions.map((_, at) => `${at + 1}`),
    shards: captions.map(() => ""),
    captions,
    labels: captions.map(() => undefined),
    image: null,
    text: new Float32Array(await opened.model.embedTexts(opened.encode(captions))),
    header: await headerFor(opened, null),
    bad: 0,
  };
}

async function headerFor({ model, path, hash }: OpenModel, data: string | null): Promise<EmbeddingHeader> {
  return {
    format: EMBEDDING_FORMAT,
    width: model.config.embedding,
    ...await model.logitScaleAndBias(),
    model: path,
    modelHash: hash,
    data,
  };
}

function joined(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
