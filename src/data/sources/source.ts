/**
 * What every kind of stored data gives: shards that are read in order, pair by pair.
 *
 * A shard is the unit that can be read by itself: a tar, a row group of a Parquet file, a block of a table's rows, a
 * part of a folder. Which shards there are, and the order of the pairs in each, depends on the stored data only.
 *
 * @module
 */

/** One pair as it is stored. */
export interface StoredPair {
  /** What tells pairs of a shard apart: the name in a tar, a path in a folder, a row's number in a table. */
  readonly key: string;
  /** Name of the shard that it was read from. */
  readonly shard: string;
  /** The picture's file, still encoded (JPEG, PNG, WebP or GIF). */
  readonly image: Uint8Array;
  /** The caption, not empty. */
  readonly caption: string;
  /** Name of the class, where the data have classes. */
  readonly label?: string;
  /** What else is stored with the pair, such as the other fields of its JSON. */
  readonly metadata?: Record<string, unknown>;
}

/** A sample that cannot be used; reading goes on. A value, never thrown. */
export class BadSample {
  /**
   * A note of what was wrong with one sample.
   *
   * @param shard name of the shard
   * @param key what names the sample within the shard
   * @param reason what is wrong with it, in a few words
   */
  constructor(
    /** Name of the shard. */
    readonly shard: string,
    /** What names the sample within the shard. */
    readonly key: string,
    /** What is wrong with it. */
    readonly reason: string,
  ) {}
}

/** A part of a data set that is read by itself, from its beginning. */
export interface Shard {
  /** Its path or address; with a part's number where a file holds several shards. */
  readonly name: string;
  /**
   * The samples in stored order; the same every time.
   *
   * @param signal stops the reading
   * @throws SourceError when the shard itself is damaged or out of reach
   */
  read(signal?: AbortSignal): AsyncIterable<StoredPair | BadSample>;
}

/** A data set as stored. */
export interface DataSource {
  /** What messages call it: the path as given. */
  readonly name: string;
  /** At least one, in a fixed order. */
  readonly shards: readonly Shard[];
}

/** Stored data that cannot be read; the message names the place and what to do. */
export class SourceError extends Error {
  /** "SourceError". */
  override readonly name = "SourceError";

  /**
   * The error for one place.
   *
   * @param message what is wrong, where, and what to do
   * @param place path or address of the file, folder or shard
   * @param options the underlying error as `cause`
   */
  constructor(
    message: string,
    /** Path or address of the file, folder or shard. */
    readonly place: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
