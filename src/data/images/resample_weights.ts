/**
 * The weights of resampling with antialiasing, to the bit as Pillow takes them.
 *
 * https://github.com/python-pillow/Pillow/blob/main/src/libImaging/Resample.c (method); written anew.
 *
 * @module
 */

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
export const PRECISION = 22;

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
