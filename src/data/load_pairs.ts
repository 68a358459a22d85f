/**
 * A stored data set in memory.
 *
 * @module
 */

import { type PairDataset, pairDataset } from "./dataset.ts";
import type { Preprocessing } from "./images/preprocessing.ts";
import { openSource } from "./sources/open_source.ts";
import type { BadSample, DataSource } from "./sources/source.ts";
import { type PairBlock, type ReadOptions, readPairs } from "./read_pairs.ts";

/** A data set that was read from where it is stored. */
export interface LoadedPairs extends PairDataset {
  /** [n]: what tells pairs of a shard apart. */
  readonly keys: readonly string[];
  /** [n]: where each pair lies. */
  readonly shards: readonly string[];
  /** [n]: name of the class; undefined where there are none. */
  readonly labels: readonly (string | undefined)[];
  /** Samples that were skipped. */
  readonly bad: readonly BadSample[];
}

/** How a data set is loaded. */
export interface LoadOptions extends ReadOptions {
  /** Bytes that the pixels may take, 4 GiB when left out; while they are put together twice as many are in use. */
  readonly memoryBytes?: number;
}

const DEFAULT_BYTES = 4 * 2 ** 30;

/**
 * Reads, decodes and resizes pairs into memory. Distinct labels become concepts, in alphabetical order.
 *
 * @param source a path that `openSource` understands, or what it opened
 * @throws SourceError when the data cannot be read
 * @throws RangeError when the pixels take more than the memory allowed, or too many samples are unusable
 */
export async function loadPairs(
  source: string | DataSource,
  preprocessing: Pick<Preprocessing, "imageSize" | "filter" | "fit">,
  { memoryBytes = DEFAULT_BYTES, onBad, ...options }: LoadOptions = {},
): Promise<LoadedPairs> {
  const opened = typeof source === "string" ? await openSource(source) : source;
  const { imageSize } = preprocessing, length = imageSize ** 2 * 3;
  const blocks: PairBlock[] = [], bad: BadSample[] = [];
  let size = 0;
  const keep = (sample: BadSample) => {
    bad.push(sample);
    onBad?.(sample);
  };
  for await (const block of readPairs(opened, preprocessing, { ...options, onBad: keep })) {
    blocks.push(block);
    size += block.keys.length;
    if (size * length > memoryBytes) {
      const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toPrecision(3)} GiB`;
      throw new RangeError(
        `${opened.name} does not fit into memory: its first ${size} pictures of ${imageSize}×${imageSize} pixels take ` +
          `${gibibytes(size * length)}, and ${gibibytes(memoryBytes)} are allowed. ` +
          `Read fewer with --limit ${Math.floor(memoryBytes / length)}, or choose a smaller --image-size`,
      );
    }
  }
  const pixels = new Uint8Array(size * length);
  let at = 0;
  for (const block of blocks) {
    pixels.set(block.pixels, at);
    at += block.pixels.length;
  }
  const labels = blocks.flatMap((block) => block.labels);
  const concepts = new Map(
    [...new Set(labels)].filter((label) => label !== undefined).sort().map((l, i) => [l, i]),
  );
  const data = await pairDataset({
    name: opened.name,
    imageSize,
    pixels,
    captions: blocks.flatMap((block) => block.captions),
    concept: Int32Array.from(labels, (label) => label === undefined ? -1 : concepts.get(label)!),
  });
  return {
    ...data,
    keys: blocks.flatMap((block) => block.keys),
    shards: blocks.flatMap((block) => block.shards),
    labels,
    bad,
  };
}
