/**
 * Search: the rows of a matrix nearest to a query.
 *
 * @module
 */

import { checkEmbeddings, similarities } from "./similarity.ts";

/** One answer of {@link nearest}. */
export interface Neighbor {
  /** Row of the matrix. */
  index: number;
  /** Inner product with the query; the cosine for unit rows. */
  score: number;
}

/**
 * The `k` rows with the highest inner product, best first; equal scores in the order of the rows.
 *
 * @param query [D]
 * @param matrix [n, D]
 * @returns min(k, n) rows
 * @throws RangeError when a size does not fit, k is below 1, or an embedding is not finite
 */
export function nearest(
  query: Float32Array,
  matrix: Float32Array,
  n: number,
  width: number,
  k: number,
): Neighbor[] {
  if (!Number.isInteger(k) || k < 1) {
    throw new RangeError(`Cannot find the ${k} nearest rows, expected k of at least 1`);
  }
  checkEmbeddings("query", query, 1, width);
  checkEmbeddings("matrix", matrix, n, width);
  const scores = new Float64Array(n);
  similarities(query, 0, 1, matrix, n, width, scores);
  return Array.from(scores, (score, index) => ({ index, score }))
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, k);
}
