/**
 * Semantic de-duplication (SemDeDup, Abbas et al., arXiv:2303.09540): pictures are clustered by their embeddings, and of
 * those of a cluster that are nearly alike one is kept.
 *
 * @module
 */

import { randomWord, Stream } from "../random/philox.ts";

/** Passes over the data that k-means makes at most. */
const MOST_PASSES = 20;

/** What {@link semanticDeduplication} goes by. */
export interface DeduplicationOptions {
  /** Pairs to keep; the threshold of likeness is found for it. */
  readonly count: number;
  /** Clusters, k; √n when left out, so that comparing within them costs about as much as making them. */
  readonly clusters?: number;
  /** Of the first centroids. */
  readonly seed: number;
}

/** What was kept. */
export interface Deduplicated {
  /** Numbers of the pairs that are kept, ascending. */
  readonly kept: Uint32Array<ArrayBuffer>;
  /** The cosine from which two pictures of a cluster count as duplicates. */
  readonly threshold: number;
}

/**
 * Drops the pictures that are most like another of their cluster, until so many are left. As in the paper, of a group of
 * duplicates the one farthest from its cluster's centroid stays: a picture goes when one that is farther out is too like it.
 *
 * @param embeddings [n, width], unit rows
 * @throws RangeError when there are not so many, or no cluster is asked for
 */
export function semanticDeduplication(
  embeddings: Float32Array,
  width: number,
  { count, seed, clusters }: DeduplicationOptions,
): Deduplicated {
  const n = embeddings.length / width, k = clusters ?? Math.max(1, Math.round(Math.sqrt(n)));
  if (!Number.isInteger(count) || count < 1 || count > n) {
    throw new RangeError(`Cannot keep ${count} of ${n} pairs`);
  }
  if (!Number.isInteger(k) || k < 1 || k > n) {
    throw new RangeError(`Cannot make ${k} clusters of ${n} pairs: choose 1 to ${n}`);
  }
  const likeness = largestLikeness(embeddings, width, kMeans(embeddings, width, k, seed));
  // Those least like any other stay.
  const order = Uint32Array.from(likeness.keys()).sort((a, b) => likeness[a] - likeness[b] || a - b);
  return {
    kept: order.slice(0, count).sort(),
    threshold: count < n ? likeness[order[count]] : 1,
  };
}

/** Members of each cluster, farthest from the centroid first. */
type Clusters = readonly (readonly number[])[];

/** Spherical k-means (Dhillon and Modha 2001): rows go to the centroid of the highest cosine, centroids have unit length. */
function kMeans(rows: Float32Array, width: number, k: number, seed: number): Clusters {
  const n = rows.length / width, nearest = new Uint32Array(n).fill(k), cosines = new Float32Array(n);
  const centroids = new Float32Array(k * width);
  const taken = new Set<number>();
  for (let cluster = 0, draw = 0; cluster < k; draw++) {
    const row = Math.floor(randomWord(seed, Stream.data, 2, draw) / 2 ** 32 * n);
    if (taken.has(row)) continue;
    taken.add(row);
    centroids.set(rows.subarray(row * width, (row + 1) * width), cluster++ * width);
  }
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    let moved = 0;
    for (let row = 0; row < n; row++) {
      let best = 0, highest = -Infinity;
      for (let cluster = 0; cluster < k; cluster++) {
        let cosine = 0;
        for (let d = 0; d < width; d++) cosine += rows[row * width + d] * centroids[cluster * width + d];
        if (cosine > highest) [best, highest] = [cluster, cosine];
      }
      if (nearest[row] !== best) moved++;
      nearest[row] = best;
      cosines[row] = highest;
    }
    if (moved === 0) break;
    const sums = new Float64Array(k * width);
    for (let row = 0; row < n; row++) {
      for (let d = 0; d < width; d++) sums[nearest[row] * width + d] += rows[row * width + d];
    }
    for (let cluster = 0; cluster < k; cluster++) {
      const sum = sums.subarray(cluster * width, (cluster + 1) * width), length = Math.hypot(...sum);
      // A cluster that lost all its members stays where it was.
      if (length > 0) { for (let d = 0; d < width; d++) centroids[cluster * width + d] = sum[d] / length; }
    }
  }
  const clusters: number[][] = Array.from({ length: k }, () => []);
  nearest.forEach((cluster, row) => clusters[cluster].push(row));
  return clusters.map((members) => members.toSorted((a, b) => cosines[a] - cosines[b] || a - b));
}

/** [n]: the highest cosine of each row with one of its cluster that lies farther out; −1 for the farthest. */
function largestLikeness(rows: Float32Array, width: number, clusters: Clusters): Float32Array {
  const likeness = new Float32Array(rows.length / width).fill(-1);
  for (const members of clusters) {
    members.forEach((row, at) => {
      for (let before = 0; before < at; before++) {
        const other = members[before];
        let cosine = 0;
        for (let d = 0; d < width; d++) cosine += rows[row * width + d] * rows[other * width + d];
        if (cosine > likeness[row]) likeness[row] = cosine;
      }
    });
  }
  return likeness;
}
