/**
 * Resizing with antialiasing, to the bit as Pillow does it: two passes with weights of 22 bits, rounded to bytes between them.
 *
 * https://github.com/python-pillow/Pillow/blob/main/src/libImaging/Resample.c (method); written anew.
 *
 * @module
 */

import type { RgbImage } from "./image.ts";
import type { Preprocessing } from "./preprocessing.ts";

/** A resampling filter: its support in source pixels at scale 1, and its weight at a distance. */
interface Filter {
  readonly support: number;
  readonly weight: (x: number) => number;
}

const filters: Readonly<Record<Preprocessing["filter"], Filter>> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys' cubic with a = −½ (1981).
  bicubic: {
    support: 2,
    weight(x) {
      const d = Math.abs(x), a = -0.5;
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
};

/** Bits of a weight behind the point. */
const PRECISION = 22;

/** What each output pixel of one axis is made of. */
export interface ResampleWeights {
  /** Most source pixels of one output pixel, K. */
  readonly taps: number;
  /** [out]: the first source pixel. */
  readonly first: Int32Array;
  /** [out]: how many. */
  readonly count: Int32Array;
  /** [out, K]: weights times 2²², summing up to about that. */
  readonly weights: Int32Array;
}

/**
 * The weights by which one axis is resampled.
 *
 * @param size source pixels
 * @param out output pixels
 */
export function resampleWeights(size: number, out: number, name: Preprocessing["filter"]): ResampleWeights {
  const { support: reach, weight } = filters[name];
  const scale = size / out, stretch = Math.max(scale, 1), support = reach * stretch;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(out), count = new Int32Array(out), weights = new Int32Array(out * taps);
  for (let x = 0; x < out; x++) {
    const centre = (x + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - support + 0.5));
    const to = Math.min(size, Math.trunc(centre + support + 0.5));
    const row = Array.from({ length: to - from }, (_, k) => weight((from + k - centre + 0.5) / stretch));
    const sum = row.reduce((total, value) => total + value, 0);
    first[x] = from;
    count[x] = to - from;
    row.forEach((value, k) => {
      const fixed = value / sum * 2 ** PRECISION;
      weights[x * taps + k] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
  }
  return { taps, first, count, weights };
}

const cache = new Map<string, ResampleWeights>();

/** Weights of the last few sizes: pictures of a set often share theirs. */
function cachedWeights(size: number, out: number, filter: Preprocessing["filter"]): ResampleWeights {
  const key = `${size} ${out} ${filter}`;
  let found = cache.get(key);
  if (!found) {
    found = resampleWeights(size, out, filter);
    if (cache.size >= 64) cache.delete(cache.keys().next().value!);
    cache.set(key, found);
  }
  return found;
}

/** A picture at another size. */
export function resample(
  { width, height, data }: RgbImage,
  outWidth: number,
  outHeight: number,
  filter: Preprocessing["filter"],
): RgbImage {
  let image = { width, height, data };
  if (outWidth !== width) image = { ...image, width: outWidth, data: horizontal(image, outWidth, filter) };
  if (outHeight !== height) image = { ...image, height: outHeight, data: vertical(image, outHeight, filter) };
  return image;
}

/** Half a unit of a byte, so that shifting rounds. */
const HALF = 1 << (PRECISION - 1);

const toByte = (sum: number) => {
  const value = sum >> PRECISION;
  return value < 0 ? 0 : value > 255 ? 255 : value;
};

function horizontal({ width, height, data }: RgbImage, out: number, filter: Preprocessing["filter"]) {
  const { taps, first, count, weights } = cachedWeights(width, out, filter);
  const result = new Uint8Array(out * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    const row = y * width * 3;
    for (let x = 0; x < out; x++, to += 3) {
      let red = HALF, green = HALF, blue = HALF, from = row + first[x] * 3;
      for (let k = x * taps, end = k + count[x]; k < end; k++, from += 3) {
        const weight = weights[k];
        red += data[from] * weight;
        green += data[from + 1] * weight;
        blue += data[from + 2] * weight;
      }
      result[to] = toByte(red);
      result[to + 1] = toByte(green);
      result[to + 2] = toByte(blue);
    }
  }
  return result;
}

function vertical({ width, height, data }: RgbImage, out: number, filter: Preprocessing["filter"]) {
  const { taps, first, count, weights } = cachedWeights(height, out, filter);
  const length = width * 3, result = new Uint8Array(out * length), sums = new Int32Array(length);
  for (let y = 0; y < out; y++) {
    sums.fill(HALF);
    for (let k = 0; k < count[y]; k++) {
      const weight = weights[y * taps + k], from = (first[y] + k) * length;
      for (let x = 0; x < length; x++) sums[x] += data[from + x] * weight;
    }
    for (let x = 0, to = y * length; x < length; x++, to++) result[to] = toByte(sums[x]);
  }
  return result;
}

/**
 * A picture as a model looks at it.
 *
 * @returns [I, I, 3] bytes
 */
export function resizeImage(
  image: RgbImage,
  { imageSize: side, filter, fit }: Pick<Preprocessing, "imageSize" | "filter" | "fit">,
): Uint8Array<ArrayBuffer> {
  const { width, height } = fittedSize(image, side, fit), resized = resample(image, width, height, filter);
  return fit === "squash" ? resized.data : centred(resized, side);
}

/** The size to which a picture is brought before the square is cut from it, or it is set on the square. */
export function fittedSize(
  { width, height }: Pick<RgbImage, "width" | "height">,
  side: number,
  fit: Preprocessing["fit"],
): { width: number; height: number } {
  if (fit === "squash") return { width: side, height: side };
  // The short side fills the square when it is cut, the long side when it is padded.
  const scaled = fit === "crop" ? Math.min(width, height) : Math.max(width, height);
  const fitted = (length: number) => Math.max(1, Math.trunc(side * length / scaled));
  return { width: fitted(width), height: fitted(height) };
}

/** The middle of a picture, with white where it does not reach. */
function centred({ width, height, data }: RgbImage, side: number): Uint8Array<ArrayBuffer> {
  const square = new Uint8Array(side * side * 3).fill(255);
  const left = Math.trunc((width - side) / 2), top = Math.trunc((height - side) / 2);
  for (let y = Math.max(0, top); y < Math.min(height, top + side); y++) {
    const from = Math.max(0, left), to = Math.min(width, left + side);
    square.set(
      data.subarray((y * width + from) * 3, (y * width + to) * 3),
      ((y - top) * side + from - left) * 3,
    );
  }
  return square;
}
