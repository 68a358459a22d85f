/**
 * Stored pairs as they are needed: opened by their path, decoded, resized, in blocks. Samples that cannot be used are
 * skipped, counted and told of; too many of them stop the reading.
 *
 * @module
 */

import { DecodePool } from "./images/decode_pool.ts";
import type { Preprocessing } from "./images/preprocessing.ts";
import { openSource } from "./sources/open_source.ts";
import { BadSample, type DataSource, type StoredPair } from "./sources/source.ts";

/** Some pairs, decoded. */
export interface PairBlock {
  /** [n, I, I, 3] RGB bytes. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** [n]: what tells pairs of a shard apart. A picture with several captions comes several times under one key. */
  readonly keys: readonly string[];
  /** [n]: where each pair lies. */
  readonly shards: readonly string[];
  /** [n] */
  readonly captions: readonly string[];
  /** [n]: name of the class; undefined where there are none. */
  readonly labels: readonly (string | undefined)[];
}

/** How stored pairs are read. */
export interface ReadOptions {
  /** Pairs to read at most; all when left out. */
  readonly limit?: number;
  /** Workers that decode; one for each core of the machine when left out. */
  readonly workers?: number;
  /** Pairs of a block; 256 when left out. */
  readonly block?: number;
  /** Largest share of samples that may be unusable, from 0 to 1; 0.1 when left out. */
  readonly maxBad?: number;
  /** Told of every sample that is skipped. */
  readonly onBad?: (sample: BadSample) => void;
  /** Told how many pairs were read; `total` is the limit, 0 when unknown. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops the reading. */
  readonly signal?: AbortSignal;
}

/** Samples before which no share is judged. */
const JUDGED_FROM = 100;

/**
 * The pairs of a data set in stored order, a block at a time.
 *
 * @param source a path that {@link openSource} understands, or what it opened
 * @throws SourceError when the data cannot be read
 * @throws RangeError when more than the allowed share is unusable, or no pair is usable; it names the first such sample
 */
export async function* readPairs(
  source: string | DataSource,
  preprocessing: Pick<Preprocessing, "imageSize" | "filter" | "fit">,
  { limit = Infinity, block = 256, maxBad = 0.1, workers, onBad, onProgress, signal }: ReadOptions = {},
): AsyncGenerator<PairBlock> {
  const opened = typeof source === "string" ? await openSource(source) : source;
  const length = preprocessing.imageSize ** 2 * 3, total = Number.isFinite(limit) ? limit : 0;
  let used = 0, bad = 0, first: BadSample | undefined, open = new OpenBlock(block, length);
  const skip = (sample: BadSample) => {
    bad++;
    first ??= sample;
    onBad?.(sample);
    if (used + bad >= JUDGED_FROM && bad > maxBad * (used + bad)) {
      throw tooManyBad(opened.name, bad, used, maxBad, first);
    }
  };
  async function* stored(): AsyncIterable<StoredPair> {
    for (const shard of opened.shards) {
      for await (const sample of shard.read(signal)) {
        signal?.throwIfAborted();
        if (sample instanceof BadSample) skip(sample);
        else yield sample;
      }
    }
  }
  using pool = new DecodePool(preprocessing, { workers });
  for await (const [sample, decoded] of pool.decodeAll(stored())) {
    if ("reason" in decoded) {
      skip(new BadSample(sample.shard, sample.key, decoded.reason));
      continue;
    }
    open.add(decoded.pixels, sample);
    used++;
    if (open.full) {
      yield open.take();
      onProgress?.(used, total);
      open = new OpenBlock(block, length);
    }
    if (used >= limit) break;
  }
  if (bad > 0 && bad > maxBad * (used + bad)) throw tooManyBad(opened.name, bad, used, maxBad, first!);
  if (used === 0) throw new RangeError(`${opened.name} holds no pair`);
  if (open.size > 0) yield open.take();
  onProgress?.(used, used);
}

function tooManyBad(name: string, bad: number, used: number, maxBad: number, first: BadSample): RangeError {
  return new RangeError(
    `${name}: ${bad} of ${used + bad} samples cannot be used, more than the ${
      maxBad * 100
    } % allowed. The first is ` +
      `"${first.key}" in ${first.shard}: ${first.reason}. See them all with superbatch inspect, or raise --max-bad`,
  );
}

type Row = Pick<StoredPair, "key" | "shard" | "caption" | "label">;

/** A block that is being filled. */
class OpenBlock {
  readonly #pixels: Uint8Array<ArrayBuffer>;
  readonly #rows: Row[] = [];

  constructor(private readonly capacity: number, private readonly length: number) {
    this.#pixels = new Uint8Array(capacity * length);
  }

  get size(): number {
    return this.#rows.length;
  }

  get full(): boolean {
    return this.size === this.capacity;
  }

  add(pixels: Uint8Array, { key, shard, caption, label }: Row): void {
    this.#pixels.set(pixels, this.size * this.length);
    this.#rows.push({ key, shard, caption, label });
  }

  take(): PairBlock {
    return {
      pixels: this.#pixels.slice(0, this.size * this.length),
      keys: this.#rows.map(({ key }) => key),
      shards: this.#rows.map(({ shard }) => shard),
      captions: this.#rows.map(({ caption }) => caption),
      labels: this.#rows.map(({ label }) => label),
    };
  }
}
