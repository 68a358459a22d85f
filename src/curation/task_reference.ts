/**
 * A reference set for a task that is known by a few examples only: the pairs of a pool that are nearest to it, without
 * near-copies.
 *
 * JEST's paper (arXiv:2406.17711) curates its reference sets by hand and leaves open how to infer one from a downstream task.
 *
 * @module
 */

import { highest } from "./reference_score.ts";
import { semanticDeduplication } from "./semantic_deduplication.ts";

/** What a task's examples look like to an encoder: pictures, captions, or both. */
export interface TaskEmbeddings {
  /** [k, width], unit rows; left out when the task gives no pictures. */
  readonly image?: Float32Array;
  /** [k, width], unit rows; left out when the task gives no captions. */
  readonly text?: Float32Array;
  readonly width: number;
}

/** How many more pairs than wanted are looked at, so that near-copies can be dropped. */
const SURPLUS = 1.25;

/**
 * How near each pair of a pool is to a task: its highest cosine with an example, pictures and captions averaged where the
 * task gives both.
 *
 * @param pool unit rows of the same encoder, [n, width]
 * @returns [n], from −1 to 1
 * @throws TypeError when the task gives neither pictures nor captions, or rows of other widths or numbers
 */
export function taskNearness(
  pool: { readonly image: Float32Array; readonly text: Float32Array; readonly width: number },
  task: TaskEmbeddings,
): Float32Array {
  const { width } = task, views = [[pool.image, task.image], [pool.text, task.text]] as const;
  const given = views.flatMap(([all, examples]) => examples ? [{ all, examples }] : []);
  if (given.length === 0) throw new TypeError("A task needs pictures or captions, and gives neither");
  const examples = given[0].examples.length / width;
  if (width !== pool.width || given.some((view) => view.examples.length !== examples * width)) {
    throw new TypeError(
      `A task's ${
        given.map((view) => view.examples.length).join(" and ")
      } numbers at width ${width} do not fit a pool ` +
        `of width ${pool.width}: embed both with one encoder, and as many pictures as captions`,
    );
  }
  return Float32Array.from({ length: pool.image.length / width }, (_, pair) => {
    let nearest = -Infinity;
    for (let example = 0; example < examples; example++) {
      let cosine = 0;
      for (const view of given) {
        for (let d = 0; d < width; d++) {
          cosine += view.all[pair * width + d] * view.examples[example * width + d];
        }
      }
      if (cosine > nearest) nearest = cosine;
    }
    return nearest / given.length;
  });
}

/**
 * The pairs of a pool from which a task's reference can learn: of the nearest a quarter more than wanted, less those whose
 * pictures are most alike (SemDeDup), so that no picture is learned many times.
 *
 * @param options.count how many
 * @param options.seed of the clustering that near-copies are looked for in
 * @returns their numbers, ascending
 * @throws RangeError when there are not so many
 * @throws TypeError as {@link taskNearness} does
 */
export function nearestToTask(
  pool: { readonly image: Float32Array; readonly text: Float32Array; readonly width: number },
  task: TaskEmbeddings,
  { count, seed }: { readonly count: number; readonly seed: number },
): Uint32Array<ArrayBuffer> {
  const nearness = taskNearness(pool, task), { width } = pool;
  if (count > nearness.length) throw new RangeError(`Cannot keep ${count} of ${nearness.length} pairs`);
  const near = highest(nearness, Math.min(nearness.length, Math.ceil(SURPLUS * count)));
  const pictures = new Float32Array(near.length * width);
  near.forEach((pair, row) =>
    pictures.set(pool.image.subarray(pair * width, (pair + 1) * width), row * width)
  );
  return semanticDeduplication(pictures, width, { count, seed }).kept.map((row) => near[row]);
}
