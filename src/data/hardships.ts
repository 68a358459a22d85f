/**
 * What makes a pool harder to learn from: repeated pictures, exchanged captions, and concepts that are not shown.
 *
 * @module
 */

import { permutation, randomWord, Stream } from "../random/philox.ts";
import type { DefaultDataOptions } from "./default_data.ts";

/** A picture that may enter the pool. */
export interface Candidate {
  readonly set: string;
  readonly icon: string;
  /** Number of the concept, or −1. */
  readonly concept: number;
  /** Pixels to the right and down, of a repeated picture. */
  readonly shift?: readonly [x: number, y: number];
}

/** Items in an order that the seed and the number of the draw decide. */
export function shuffled<T>(items: readonly T[], seed: number, draw: number): T[] {
  return Array.from(permutation(seed, Stream.data, draw, items.length), (at) => items[at]);
}

/** The concepts that only the test shows, and those that only the curated set does not. */
export function hiddenConcepts(
  count: number,
  { heldOutConcepts = 0, unknownConcepts = 0, seed }: DefaultDataOptions,
): Record<"heldOutConcepts" | "unknownConcepts", Set<number>> {
  const order = [...permutation(seed, Stream.data, 5, count)];
  const heldOut = Math.round(count * heldOutConcepts), unknown = Math.round(count * unknownConcepts);
  return {
    heldOutConcepts: new Set(order.slice(0, heldOut)),
    unknownConcepts: new Set(order.slice(heldOut, heldOut + unknown)),
  };
}

/** How many of so many pairs are drawn once, where a share of them repeats others. */
export function once(pairs: number, duplicates: number): number {
  return pairs - Math.round(pairs * duplicates);
}

/** One in so many pictures is repeated. */
const POPULAR = 20;

/**
 * Repeats of a few pictures, in-domain ones and others each for their share: as in data from the web, the k-th most popular
 * is repeated about 1/k as often as the first, and never quite the same.
 */
export function repeated(unique: readonly Candidate[], options: DefaultDataOptions): Candidate[] {
  const { poolSize, inDomainShare, duplicates = 0, seed } = options;
  const wanted = Math.round(poolSize * inDomainShare);
  const word = (draw: number) => randomWord(seed, Stream.data, 6, draw) / 2 ** 32;
  let drawn = 0;
  const repeats = (kind: readonly Candidate[], count: number): Candidate[] => {
    const popular = kind.slice(0, Math.ceil(kind.length / POPULAR));
    return Array.from({ length: count }, () => {
      // The inverse of the distribution function of p ∝ 1/k, taken as continuous.
      const rank = Math.floor(Math.exp(word(drawn++) * Math.log(popular.length + 1))) - 1;
      const shift = () => Math.floor(3 * word(drawn++)) - 1;
      return { ...popular[Math.min(rank, popular.length - 1)], shift: [shift(), shift()] };
    });
  };
  const isInDomain = ({ concept }: Candidate) => concept >= 0;
  return [
    ...repeats(unique.filter(isInDomain), wanted - once(wanted, duplicates)),
    ...repeats(
      unique.filter((candidate) => !isInDomain(candidate)),
      poolSize - wanted - once(poolSize - wanted, duplicates),
    ),
  ];
}

/** A picture moved by whole pixels; its edge pixels fill what is left. */
export function shifted(pixels: Uint8Array, side: number, [x, y]: readonly [number, number]): Uint8Array {
  const moved = new Uint8Array(pixels.length), within = (at: number) => Math.max(0, Math.min(side - 1, at));
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const source = (within(row - y) * side + within(column - x)) * 3;
      moved.set(pixels.subarray(source, source + 3), (row * side + column) * 3);
    }
  }
  return moved;
}

/** Passes the captions of a share of the in-domain pairs round in a circle; returns which captions are their own. */
export function exchangeCaptions(
  pool: readonly Candidate[],
  captions: string[],
  share: number,
  seed: number,
): Uint8Array<ArrayBuffer> {
  const clean = new Uint8Array(pool.length).fill(1);
  const inDomain = pool.flatMap(({ concept }, at) => concept >= 0 ? [at] : []);
  const chosen = shuffled(inDomain, seed, 4).slice(0, Math.round(inDomain.length * share));
  const own = chosen.map((at) => captions[at]);
  chosen.forEach((at, i) => {
    const taken = (i + 1) % chosen.length;
    captions[at] = own[taken];
    if (pool[chosen[taken]].concept !== pool[at].concept) clean[at] = 0;
  });
  return clean;
}
