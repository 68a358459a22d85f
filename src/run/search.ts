/**
 * Text to picture: the test pictures nearest to a query.
 *
 * @module
 */

import { nearest } from "../eval/nearest.ts";
import type { DualEncoder } from "../models/model.ts";
import type { PreparedData } from "./prepare.ts";

/** A query with its best pictures. */
export interface SearchResult {
  readonly query: string;
  readonly hits: readonly { readonly caption: string; readonly score: number; readonly pixels: Uint8Array }[];
}

/** The `count` held-out pictures nearest to each query, best first. */
export async function searchExamples(
  model: DualEncoder,
  { test, encode }: PreparedData,
  queries: readonly string[],
  { count = 8, patchSize }: { count?: number; patchSize?: number } = {},
): Promise<SearchResult[]> {
  const { dataset } = test;
  const width = model.config.embedding;
  const images = await model.embedImages(dataset.pictures.slice(0, dataset.size), { patchSize });
  const texts = await model.embedTexts(encode(queries));
  return queries.map((query, row) => ({
    query,
    hits: nearest(texts.subarray(row * width, (row + 1) * width), images, dataset.size, width, count)
      .map(({ index, score }) => ({
        caption: dataset.captions[index],
        score,
        pixels: dataset.pictures.slice(index, 1),
      })),
  }));
}
