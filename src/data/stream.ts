/**
 * Stored pairs in random order without holding the data set: shards in a random order, then a shuffle buffer.
 *
 * @module
 */

import { permutation, Stream, uniform } from "../random/philox.ts";
import { BadSample, type DataSource, type Shard, type StoredPair } from "./sources/source.ts";

/** A pair of a stream, with its place in the stored data, which no order or number of readers changes. */
export interface StreamedPair {
  /** The pair as it is stored. */
  readonly pair: StoredPair;
  /** Which of the data sets it comes from. */
  readonly source: number;
  /** Which of the data set's shards. */
  readonly shard: number;
  /** Which of the shard's samples; unusable ones count too. */
  readonly position: number;
  /** How often its data set was gone through before. */
  readonly epoch: number;
}

/** How pairs are streamed. */
export interface StreamOptions {
  /** Decides the order: a non-negative integer below 2⁵³. */
  readonly seed: number;
  /** Pairs that wait to be drawn from; 1,000 when left out. 1 leaves shards in their own order. */
  readonly buffer?: number;
  /** How often each data set is drawn from, in proportion to the others; equally when left out. */
  readonly weights?: readonly number[];
  /** The epoch to begin with; 0 when left out. */
  readonly epoch?: number;
  /** Epochs to go through, of one data set; endless when left out. */
  readonly epochs?: number;
  /** Shards that are read at once; 2 when left out. Changes the speed, never the order. */
  readonly readers?: number;
  /** Largest share of samples that may be unusable, from 0 to 1; 0.1 when left out. */
  readonly maxBad?: number;
  /** Told of every sample that is skipped. */
  readonly onBad?: (sample: BadSample) => void;
  /** Stops the reading. */
  readonly signal?: AbortSignal;
}

/** More samples are unusable than is allowed; the message names the first. */
export class DataQualityError extends RangeError {
  /** "DataQualityError". */
  override readonly name = "DataQualityError";

  /**
   * The error for one stream.
   *
   * @param message how many are unusable, and the first of them
   * @param bad how many were unusable
   * @param seen how many were read
   */
  constructor(
    message: string,
    /** Samples that were unusable. */
    readonly bad: number,
    /** Samples that were read. */
    readonly seen: number,
  ) {
    super(message);
  }
}

/** Samples before which no share is judged. */
const JUDGED_FROM = 100;
/** Samples of a shard that wait in memory while those before it are drawn. */
const READ_AHEAD = 32;

/**
 * Pairs in an order that depends on the stored data, the seed and the epoch only; of several data sets, on the weights too.
 *
 * In an epoch each pair of a data set comes once. Buffers are emptied at its end, so an epoch can be begun with.
 *
 * @throws RangeError when an option is out of range
 * @throws DataQualityError when more than the allowed share is unusable, or an epoch has no usable pair
 * @throws SourceError when a shard is damaged or out of reach
 */
export async function* streamPairs(
  sources: DataSource | readonly DataSource[],
  options: StreamOptions,
): AsyncGenerator<StreamedPair, void> {
  const all = "shards" in sources ? [sources] : sources;
  const { seed, weights = all.map(() => 1), epochs, buffer = 1000, readers = 2, maxBad = 0.1 } = options;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (weights.length !== all.length || !weights.every((weight) => weight >= 0) || !(total > 0)) {
    throw new RangeError(
      `Cannot mix ${all.length} data sets by ${weights.length} weights (${weights}): give each one a weight, not all 0`,
    );
  }
  if (epochs !== undefined && all.length > 1) {
    throw new RangeError("Epochs of a mix do not end together: leave out epochs, or stream one data set");
  }
  for (const [name, value] of Object.entries({ buffer, readers })) {
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} is ${value}: give at least 1`);
  }
  const quality = new Quality(all.map(({ name }) => name).join("::"), maxBad, options.onBad);
  const streams = all.map((source, number) => oneSource(source, number, all.length, options, quality));
  try {
    for (let draw = 0;; draw++) {
      // Two words, so that draws may go beyond 2³².
      const step = MIX_STEP + Math.floor(draw / 2 ** 31);
      let at = uniform(seed, Stream.shuffle, step, draw % 2 ** 31) * total, source = 0;
      while (source < all.length - 1 && at >= weights[source]) at -= weights[source++];
      while (weights[source] === 0) source--;
      const { done, value } = await streams[source].next();
      if (done) return;
      yield value;
    }
  } finally {
    await Promise.all(streams.map((stream) => stream.return()));
  }
}

/** Steps of the Philox counter: epochs lie below, apart for order of shards, buffer and mix. */
const BUFFER_STEP = 2 ** 30, MIX_STEP = 2 ** 31;

async function* oneSource(
  source: DataSource,
  number: number,
  sources: number,
  { seed, buffer = 1000, epoch: first = 0, epochs = Infinity, readers = 2, signal }: StreamOptions,
  quality: Quality,
): AsyncGenerator<StreamedPair, void> {
  for (let epoch = first; epoch < first + epochs; epoch++) {
    const step = epoch * sources + number;
    const order = permutation(seed, Stream.shuffle, step, source.shards.length);
    const waiting: StreamedPair[] = [];
    let draws = 0, given = 0;
    const draw = () => {
      const at = Math.floor(
        uniform(seed, Stream.shuffle, BUFFER_STEP + step, draws++) * waiting.length,
      );
      const drawn = waiting[at], last = waiting.pop()!;
      if (at < waiting.length) waiting[at] = last;
      given++;
      return drawn;
    };
    for await (const { shard, position, sample } of inOrder(source.shards, order, readers, signal)) {
      quality.note(sample);
      if (sample instanceof BadSample) continue;
      waiting.push({ pair: sample, source: number, shard, position, epoch });
      if (waiting.length >= buffer) yield draw();
    }
    while (waiting.length > 0) yield draw();
    if (given === 0) throw quality.error(`${source.name} holds no usable pair`);
  }
}

interface Placed {
  readonly shard: number;
  readonly position: number;
  readonly sample: StoredPair | BadSample;
}

/** The samples of shards one after another, while the next shards' first samples are read already. */
async function* inOrder(
  shards: readonly Shard[],
  order: ArrayLike<number>,
  readers: number,
  signal?: AbortSignal,
): AsyncGenerator<Placed, void> {
  const open: { shard: number; ahead: ReadAhead }[] = [];
  let next = 0;
  try {
    while (next < order.length || open.length > 0) {
      while (next < order.length && open.length < readers) {
        const shard = order[next++];
        open.push({ shard, ahead: new ReadAhead(shards[shard].read(signal)) });
      }
      const { shard, ahead } = open[0];
      let position = 0;
      for (let sample = await ahead.take(); sample !== null; sample = await ahead.take()) {
        signal?.throwIfAborted();
        yield { shard, position: position++, sample };
      }
      open.shift();
    }
  } finally {
    await Promise.all(open.map(({ ahead }) => ahead.close()));
  }
}

/** Reads a few samples before they are asked for; an error comes at its place in the order. */
class ReadAhead {
  readonly #reading: AsyncIterator<StoredPair | BadSample>;
  readonly #ahead: Promise<IteratorResult<StoredPair | BadSample>>[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(samples: AsyncIterable<StoredPair | BadSample>) {
    this.#reading = samples[Symbol.asyncIterator]();
    while (this.#ahead.length < READ_AHEAD) this.#ask();
  }

  async take(): Promise<StoredPair | BadSample | null> {
    const { done, value } = await this.#ahead.shift()!;
    if (done) return null;
    this.#ask();
    return value;
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#last;
    await this.#reading.return?.();
  }

  #ask(): void {
    const asked = this.#last.then(() =>
      this.#ended ? { done: true as const, value: undefined } : this.#reading.next()
    );
    this.#last = asked.then(({ done }) => this.#ended ||= Boolean(done), () => this.#ended = true);
    asked.catch(() => {}); // thrown where it is taken
    this.#ahead.push(asked);
  }
}

/** Counts samples that cannot be used. */
class Quality {
  #seen = 0;
  #bad = 0;
  #first: BadSample | undefined;

  constructor(
    private readonly name: string,
    private readonly maxBad: number,
    private readonly onBad?: (sample: BadSample) => void,
  ) {
    if (!(maxBad >= 0 && maxBad <= 1)) throw new RangeError(`maxBad is ${maxBad}: give a share from 0 to 1`);
  }

  note(sample: StoredPair | BadSample): void {
    this.#seen++;
    if (!(sample instanceof BadSample)) return;
    this.#bad++;
    this.#first ??= sample;
    this.onBad?.(sample);
    if (this.#seen >= JUDGED_FROM && this.#bad > this.maxBad * this.#seen) {
      throw this.error(`${this.name}: more than the ${this.maxBad * 100} % allowed cannot be used`);
    }
  }

  error(what: string): DataQualityError {
    const first = this.#first
      ? ` The first is "${this.#first.key}" in ${this.#first.shard}: ${this.#first.reason}.`
      : "";
    const message = `${what}: ${this.#bad} of ${this.#seen} samples are bad.${first} ` +
      `See them all with superbatch inspect`;
    return new DataQualityError(message, this.#bad, this.#seen);
  }
}
