/**
 * Pictures that look alike, told by a perceptual hash: 64 bits, each whether a point is brighter than its right neighbour
 * (difference hash). Re-encoding and resizing change few of them.
 *
 * @module
 */

/** Columns and rows of the points: 9 × 8 points make 8 × 8 comparisons. */
const COLUMNS = 9, ROWS = 8;
/** Bits by which two hashes of one picture may differ. */
const MOST_DIFFERENT = 3;

/**
 * The hash of a picture.
 *
 * @param pixels [size, size, 3] RGB bytes, size 9 or more
 * @returns its two halves
 */
export function differenceHash(pixels: Uint8Array, size: number): [number, number] {
  const points = new Float64Array(ROWS * COLUMNS);
  for (let row = 0; row < ROWS; row++) {
    const top = Math.floor(row * size / ROWS), bottom = Math.floor((row + 1) * size / ROWS);
    for (let column = 0; column < COLUMNS; column++) {
      const left = Math.floor(column * size / COLUMNS), right = Math.floor((column + 1) * size / COLUMNS);
      let sum = 0;
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) {
          const at = (y * size + x) * 3;
          sum += 299 * pixels[at] + 587 * pixels[at + 1] + 114 * pixels[at + 2];
        }
      }
      // Whole steps of one level, so that rounding noise on plain areas does not flip bits.
      points[row * COLUMNS + column] = Math.round(sum / (1000 * (bottom - top) * (right - left)));
    }
  }
  const halves: [number, number] = [0, 0];
  for (let bit = 0; bit < 64; bit++) {
    const at = Math.floor(bit / 8) * COLUMNS + bit % 8;
    if (points[at] > points[at + 1]) halves[bit >> 5] = (halves[bit >> 5] | 1 << (bit & 31)) >>> 0;
  }
  return halves;
}

/** Finds pictures that look like one that came before. */
export class SimilarPictures<T> {
  /** Representatives by each quarter of their hash: of two hashes that differ in three bits one quarter is equal. */
  readonly #quarters: Map<number, { hash: readonly [number, number]; value: T }[]>[] = [
    new Map(),
    new Map(),
    new Map(),
    new Map(),
  ];

  /** The first picture like this one, or null, and then this one is remembered. */
  find(hash: readonly [number, number], value: T): T | null {
    const quarters = [hash[0] & 0xffff, hash[0] >>> 16, hash[1] & 0xffff, hash[1] >>> 16];
    for (const [at, quarter] of quarters.entries()) {
      const like = this.#quarters[at].get(quarter)?.find((known) =>
        distance(known.hash, hash) <= MOST_DIFFERENT
      );
      if (like) return like.value;
    }
    quarters.forEach((quarter, at) =>
      this.#quarters[at].getOrInsertComputed(quarter, () => []).push({ hash, value })
    );
    return null;
  }
}

function distance(a: readonly [number, number], b: readonly [number, number]): number {
  return ones(a[0] ^ b[0]) + ones(a[1] ^ b[1]);
}

function ones(word: number): number {
  let count = 0;
  for (let rest = word >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}
