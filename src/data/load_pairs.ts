/**
 * A stored data set in memory.
 *
 * @module
 */

import { type PairDataset, pairDataset } from "./dataset.ts";
import type { Preprocessing } from "./images/preprocessing.ts";
import { openSource } from "./sources/open_source.ts";
import type { BadSample, DataSource } from "./sources/source.ts";
import { type Pictures, PicturesFile, picturesInMemory } from "./pictures.ts";
import { type PairBlock, type ReadOptions, readPairs } from "./read_pairs.ts";

/** A data set that was read from where it is stored. */
export interface LoadedPairs extends PairDataset {
  /** [n]: what tells pairs apart: their own names, behind `shard#` where names come twice. */
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
  /** Bytes of memory that decoded pictures may take, 2 GiB when left out; more of them go to a file. */
  readonly memoryBytes?: number;
  /** Where that file takes its room; the system's folder for temporary files when left out. */
  readonly folder?: string;
}

const DEFAULT_BYTES = 2 * 2 ** 30;

/**
 * Reads, decodes and resizes pairs into memory. Distinct labels become concepts, in alphabetical order.
 *
 * @param source a path that `openSource` understands, or what it opened
 * @throws SourceError when the data cannot be read
 * @throws RangeError when too many samples are unusable
 */
export async function loadPairs(
  source: string | DataSource,
  preprocessing: Pick<Preprocessing, "imageSize" | "filter" | "fit">,
  { memoryBytes = DEFAULT_BYTES, folder, onBad, ...options }: LoadOptions = {},
): Promise<LoadedPairs> {
  const opened = typeof source === "string" ? await openSource(source) : source;
  const { imageSize } = preprocessing, length = imageSize ** 2 * 3;
  const blocks: Omit<PairBlock, "pixels">[] = [], bad: BadSample[] = [];
  const store = new PictureStore(length, memoryBytes, folder);
  const keep = (sample: BadSample) => {
    bad.push(sample);
    onBad?.(sample);
  };
  try {
    for await (const { pixels, ...block } of readPairs(opened, preprocessing, { ...options, onBad: keep })) {
      await store.append(pixels);
      blocks.push(block);
    }
  } catch (error) {
    store.file?.[Symbol.dispose]();
    throw error;
  }
  const keys = blocks.flatMap((block) => block.keys), shards = blocks.flatMap((block) => block.shards);
  const labels = blocks.flatMap((block) => block.labels);
  const concepts = new Map(
    [...new Set(labels)].filter((label) => label !== undefined).sort().map((l, i) => [l, i]),
  );
  const data = await pairDataset({
    name: opened.name,
    imageSize,
    pictures: store.pictures(),
    captions: blocks.flatMap((block) => block.captions),
    concept: Int32Array.from(labels, (label) => label === undefined ? -1 : concepts.get(label)!),
  });
  return {
    ...data,
    keys: distinct(keys, shards),
    shards,
    labels,
    bad,
  };
}

function distinct(keys: readonly string[], shards: readonly string[]): readonly string[] {
  return new Set(keys).size === keys.length ? keys : keys.map((key, at) => fullKey(shards[at], key));
}

/** What a pair is called where its key alone comes twice in its set. */
export function fullKey(shard: string, key: string): string {
  return `${shard}#${key}`;
}

/** Pictures as they come: in memory up to a limit, and from there on in a file, all of them. */
class PictureStore {
  readonly #blocks: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  /** Null as long as memory holds all. */
  file: PicturesFile | null = null;

  constructor(
    private readonly length: number,
    private readonly memoryBytes: number,
    private readonly folder?: string,
  ) {}

  async append(pixels: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#bytes += pixels.length;
    if (this.file) this.file.append(pixels);
    else {
      this.#blocks.push(pixels);
      if (this.#bytes > this.memoryBytes) await this.#spill();
    }
  }

  pictures(): Pictures {
    if (this.file) return this.file;
    const pixels = new Uint8Array(this.#bytes);
    let at = 0;
    for (let block = this.#blocks.shift(); block; block = this.#blocks.shift()) {
      pixels.set(block, at);
      at += block.length;
    }
    return picturesInMemory(pixels, this.length);
  }

  async #spill(): Promise<void> {
    this.file = await PicturesFile.create(this.folder ?? temporaryFolder(), this.length);
    for (let block = this.#blocks.shift(); block; block = this.#blocks.shift()) this.file.append(block);
  }
}

function temporaryFolder(): string {
  return Deno.env.get("TMPDIR") ?? Deno.env.get("TEMP") ?? "/tmp";
}
