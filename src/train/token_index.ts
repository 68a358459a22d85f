/**
 * Where each token of a super-batch occurs, sorted on the host: what the token table's gradient is gathered from.
 *
 * @module
 */

/** Positions that one segment of a token's list holds at the most. */
export const SEGMENT_LENGTH = 64;

/** The most segments that S·T positions over a vocabulary can need. */
export function maxSegments(positions: number, vocabulary: number): number {
  return Math.min(positions, vocabulary) + Math.ceil(positions / SEGMENT_LENGTH);
}

/**
 * Sorts the positions of a super-batch's tokens by token (counting sort) and cuts each token's list into segments.
 *
 * @param tokens [S·T] token ids below `vocabulary`
 * @throws RangeError when a token lies outside the vocabulary
 */
export function indexTokens(
  tokens: Uint32Array,
  vocabulary: number,
): { positions: Uint32Array; segmentOffsets: Uint32Array; tokenSegments: Uint32Array } {
  const offsets = new Uint32Array(vocabulary + 1);
  for (const token of tokens) {
    if (token >= vocabulary) {
      throw new RangeError(`Token ${token} lies outside the vocabulary of ${vocabulary}`);
    }
    offsets[token + 1]++;
  }
  for (let token = 0; token < vocabulary; token++) offsets[token + 1] += offsets[token];
  const positions = new Uint32Array(tokens.length), next = offsets.slice();
  tokens.forEach((token, position) => positions[next[token]++] = position);
  const segmentOffsets = new Uint32Array(maxSegments(tokens.length, vocabulary) + 1).fill(tokens.length);
  const tokenSegments = new Uint32Array(vocabulary + 1);
  let segment = 0;
  for (let token = 0; token < vocabulary; token++) {
    tokenSegments[token] = segment;
    for (let at = offsets[token]; at < offsets[token + 1]; at += SEGMENT_LENGTH) {
      segmentOffsets[segment++] = at;
    }
  }
  tokenSegments[vocabulary] = segment;
  return { positions, segmentOffsets, tokenSegments };
}
