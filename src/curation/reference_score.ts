/**
 * Filtering by a reference's score: what the field calls CLIP-score filtering when the reference is CLIP.
 *
 * @module
 */

import type { PairEmbeddings } from "./embeddings.ts";

/**
 * Every pair's score by itself, −ℓ with ℓ the sigmoid loss of the pair alone: log σ(α zᴵ·zᵀ + β). It rises with the cosine
 * of picture and caption, so filtering by either keeps the same pairs.
 *
 * @returns [n], at most 0
 */
export function referenceScores(
  { image, text, width, logitScale, logitBias }: PairEmbeddings,
): Float32Array {
  return Float32Array.from({ length: image.length / width }, (_, pair) => {
    let cosine = 0;
    for (let at = pair * width; at < (pair + 1) * width; at++) cosine += image[at] * text[at];
    const logit = logitScale * cosine + logitBias;
    return Math.min(logit, 0) - Math.log1p(Math.exp(-Math.abs(logit)));
  });
}

/**
 * The pairs with the highest scores; of equal ones the first.
 *
 * @param count how many
 * @returns their numbers, ascending
 * @throws RangeError when there are not so many
 */
export function highest(scores: Float32Array, count: number): Uint32Array<ArrayBuffer> {
  if (!Number.isInteger(count) || count < 1 || count > scores.length) {
    throw new RangeError(`Cannot keep ${count} of ${scores.length} pairs`);
  }
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
  return order.slice(0, count).sort();
}
