/**
 * Pictures that look alike, told by a perceptual hash: 64 bits, each whether a point is brighter than its right neighbour
 * (difference hash), and the mean colours of the picture's quarters. Re-encoding and resizing change little of either.
 *
 * @module
 */

/** Columns and rows of the points: 9 × 8 points make 8 × 8 comparisons. */
const COLUMNS = 9, ROWS = 8;
/** Bits, and levels of 255, by which two hashes of one picture may differ. */
const MOST_BITS = 3, MOST_LEVELS = 16;

/** What a picture looks like. */
export interface PictureHash {
  /** The two halves of the 64 bits. */
  readonly bits: readonly [number, number];
  /** [2, 2, 3] mean red, green and blue of the quarters. */
  readonly colors: Uint8Array;
}

/**
 * The hash of a picture.
 *
 * @param pixels [size, size, 3] RGB bytes, size 9 or more
 */
export function pictureHash(pixels: Uint8Array, size: number): PictureHash {
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
  return { bits: halves, colors: quarterColors(pixels, size) };
}

function quarterColors(pixels: Uint8Array, size: number): Uint8Array {
  const sums = new Float64Array(12), counts = new Float64Array(12);
  for (let at = 0; at < pixels.length; at++) {
    const pixel = Math.floor(at / 3), x = pixel % size, y = Math.floor(pixel / size);
    const place = (Math.floor(2 * y / size) * 2 + Math.floor(2 * x / size)) * 3 + at % 3;
    sums[place] += pixels[at];
    counts[place]++;
  }
  return Uint8Array.from(sums, (sum, place) => Math.round(sum / counts[place]));
}

/** Finds pictures that look like one that came before. */
export class SimilarPictures<T> {
  /** Representatives by each quarter of their hash: of two hashes that differ in three bits one quarter is equal. */
  readonly #quarters: Map<number, { hash: PictureHash; value: T }[]>[] = [
    new Map(),
    new Map(),
    new Map(),
    new Map(),
  ];

  /** The first picture like this one, or null, and then this one is remembered. */
  find(hash: PictureHash, value: T): T | null {
    const [low, high] = hash.bits;
    const quarters = [low & 0xffff, low >>> 16, high & 0xffff, high >>> 16];
    for (const [at, quarter] of quarters.entries()) {
      const like = this.#quarters[at].get(quarter)?.find((known) => alike(known.hash, hash));
      if (like) return like.value;
    }
    quarters.forEach((quarter, at) =>
      this.#quarters[at].getOrInsertComputed(quarter, () => []).push({ hash, value })
    );
    return null;
  }
}

function alike(a: PictureHash, b: PictureHash): boolean {
  return ones(a.bits[0] ^ b.bits[0]) + ones(a.bits[1] ^ b.bits[1]) <= MOST_BITS &&
    a.colors.every((level, at) => Math.abs(level - b.colors[at]) <= MOST_LEVELS);
}

function ones(word: number): number {
  let count = 0;
  for (let rest = word >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}
