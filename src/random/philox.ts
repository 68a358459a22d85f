/**
 * Counter-based random numbers: Philox 4×32-10.
 *
 * The same (seed, stream, step, index) gives the same bits here and in `shaders/philox_frame.wgsl`, so nothing has to carry
 * a hidden state: a resumed run and any number of workers draw the same numbers by construction.
 *
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 *
 * @module
 */

/** Independent sequences under one seed; the value is a word of the Philox counter. */
export const Stream = {
  /** Parameter initialisation; step = index of the parameter. */
  init: 1,
  /** Order of the examples; step = epoch. */
  shuffle: 2,
  /** Gumbel noise of the selection; step = step × 65,536 + chunk. */
  select: 3,
  /** Composition of a data set (which noise, which captions are shuffled). */
  data: 4,
  /** Patches that are kept; the fourth word of the counter is the pass within the step. */
  drop: 5,
} as const;

/** One of {@link Stream}'s values. */
export type StreamId = (typeof Stream)[keyof typeof Stream];

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the product of two unsigned 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff, aHigh = a >>> 16, bLow = b & 0xffff, bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/**
 * Four independent 32-bit words at a counter.
 *
 * @param counter four unsigned 32-bit words
 * @param key two unsigned 32-bit words
 */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0), low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2), low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c1 = low1;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/**
 * The 32-bit word number `index` of a stream.
 *
 * @param seed a non-negative integer below 2⁵³
 * @param stream which sequence
 * @param step position in time: a step, an epoch, a parameter; below 2³²
 * @param index position within the step; below 2³²
 */
export function randomWord(seed: number, stream: StreamId, step: number, index: number): number {
  return philox4x32([index >>> 0, step >>> 0, stream, 0], seedKey(seed))[0];
}

/** The two key words of a seed: low, then high. */
export function seedKey(seed: number): [number, number] {
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}

/** A uniform number strictly between 0 and 1. */
export function uniform(seed: number, stream: StreamId, step: number, index: number): number {
  return (randomWord(seed, stream, step, index) + 0.5) / 2 ** 32;
}

/** A standard normal number (Box–Muller on words 0 and 1 of one counter). */
export function normal(seed: number, stream: StreamId, step: number, index: number): number {
  const [a, b] = philox4x32([index >>> 0, step >>> 0, stream, 0], seedKey(seed));
  const radius = Math.sqrt(-2 * Math.log((a + 0.5) / 2 ** 32));
  return radius * Math.cos((2 * Math.PI * (b + 0.5)) / 2 ** 32);
}

/**
 * A permutation of 0 … size − 1 (Fisher–Yates over one stream and step).
 *
 * @param size number of elements, below 2³²
 */
export function permutation(seed: number, stream: StreamId, step: number, size: number): Uint32Array {
  const order = Uint32Array.from({ length: size }, (_, index) => index);
  for (let last = size - 1; last > 0; last--) {
    // A 32-bit word times the range, high half: bias below size / 2³².
    const other = mulHigh(randomWord(seed, stream, step, last), last + 1);
    const swap = order[last];
    order[last] = order[other];
    order[other] = swap;
  }
  return order;
}
