/**
 * Fingerprints of pictures by which near-copies are found.
 *
 * @module
 */

import type { RgbImage } from "./image.ts";
import { resample } from "./resize.ts";

const COLUMNS = 9, ROWS = 8;

/**
 * A picture's difference hash: for each of 8×8 places of its small grey copy, whether it is brighter than its neighbour to
 * the right. Copies that were scaled, recompressed or slightly recoloured differ in few bits.
 *
 * http://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html
 *
 * @returns 64 bits
 */
export function differenceHash(image: RgbImage): bigint {
  const { data } = resample(image, COLUMNS, ROWS, "bilinear");
  // ITU-R 601 luma, as Pillow's "L".
  const grey = Array.from(
    { length: COLUMNS * ROWS },
    (_, at) => (data[at * 3] * 19595 + data[at * 3 + 1] * 38470 + data[at * 3 + 2] * 7471 + 0x8000) >> 16,
  );
  let hash = 0n;
  for (let y = 0; y < ROWS; y++) {
    for (let x = 0; x + 1 < COLUMNS; x++) {
      hash = hash << 1n | (grey[y * COLUMNS + x] > grey[y * COLUMNS + x + 1] ? 1n : 0n);
    }
  }
  return hash;
}

/** Bits in which two hashes differ. */
export function hammingDistance(a: bigint, b: bigint): number {
  let bits = 0;
  for (let rest = a ^ b; rest > 0n; rest &= rest - 1n) bits++;
  return bits;
}

/**
 * Groups of near-copies: two pictures whose hashes differ in at most `distance` bits are of one group, and so are those that
 * are linked through others.
 *
 * Hashes that differ in d bits agree in one of d + 1 parts of them, so only those are compared.
 *
 * @returns groups of two or more, each ascending, in the order of their first members
 */
export function nearCopies(hashes: readonly bigint[], distance = 3): number[][] {
  const leader = hashes.map((_, at) => at);
  const find = (at: number): number => {
    while (leader[at] !== at) at = leader[at] = leader[leader[at]];
    return at;
  };
  const parts = distance + 1;
  for (let part = 0; part < parts; part++) {
    const low = BigInt(Math.floor(64 * part / parts)), high = BigInt(Math.floor(64 * (part + 1) / parts));
    const mask = ((1n << (high - low)) - 1n) << low;
    for (const members of Map.groupBy(hashes.keys(), (at) => hashes[at] & mask).values()) {
      // Of equal hashes the first stands for all.
      const distinct: number[] = [], seen = new Map<bigint, number>();
      for (const at of members) {
        const same = seen.get(hashes[at]);
        if (same === undefined) {
          seen.set(hashes[at], at);
          distinct.push(at);
        } else leader[find(at)] = find(same);
      }
      distinct.forEach((at, i) => {
        for (const other of distinct.slice(i + 1)) {
          if (hammingDistance(hashes[at], hashes[other]) <= distance) leader[find(other)] = find(at);
        }
      });
    }
  }
  const groups = Map.groupBy(hashes.keys(), find);
  return [...groups.values()].filter((group) => group.length > 1).toSorted((a, b) => a[0] - b[0]);
}
