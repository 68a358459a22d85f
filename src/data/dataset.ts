/**
 * Image–caption pairs in memory.
 *
 * @module
 */

import { chainPictures, pickPictures, type Pictures, picturesInMemory } from "./pictures.ts";

/** n pairs with what is known about them. */
export interface PairDataset {
  /** What messages call it. */
  readonly name: string;
  /** n */
  readonly size: number;
  /** Side of a picture in pixels, I. */
  readonly imageSize: number;
  /** [n, I, I, 3] RGB bytes, transparency on white. */
  readonly pictures: Pictures;
  /** [n] */
  readonly captions: readonly string[];
  /** [n] number of the concept, or −1. */
  readonly concept: Int32Array<ArrayBuffer>;
  /** [n] index into `sources`. */
  readonly source: Uint8Array<ArrayBuffer>;
  /** Names of the sets that the pictures come from. */
  readonly sources: readonly string[];
  /** [n] what the set itself calls each pair; left out where it has no names. */
  readonly keys?: readonly string[];
  /** Whether `inDomain` and `clean` say something, or stand at 1 because nobody knows. */
  readonly flagged: boolean;
  /** [n] 1 where the picture belongs to the domain that is wanted. Never an input of selection; for the report. */
  readonly inDomain: Uint8Array<ArrayBuffer>;
  /** [n] 1 where the caption is the picture's own. Never an input of selection; for the report. */
  readonly clean: Uint8Array<ArrayBuffer>;
  /** SHA-256 of pixels and captions, in hex. */
  readonly hash: string;
}

/** Pairs whose captions are token ids too. */
export interface TokenisedDataset extends PairDataset {
  /** [n, T] */
  readonly tokens: Uint32Array<ArrayBuffer>;
}

/** What {@link pairDataset} needs; what is left out counts as clean, in-domain and of one source. */
export type PairDatasetInput =
  & Pick<PairDataset, "name" | "imageSize" | "captions">
  & ({
    /** [n, I, I, 3] RGB bytes. */
    readonly pixels: Uint8Array<ArrayBuffer>;
  } | Pick<PairDataset, "pictures">)
  & Partial<Omit<PairDataset, "size" | "hash" | "pictures">>;

/**
 * A data set from arrays.
 *
 * @throws TypeError when an array's length does not fit the number of captions
 * @throws RangeError when there is no pair
 */
export async function pairDataset(input: PairDatasetInput): Promise<PairDataset> {
  const { name, imageSize, captions } = input, length = imageSize * imageSize * 3;
  const size = captions.length;
  if (size === 0) throw new RangeError(`The data set "${name}" is empty: give at least one pair`);
  const expect = (what: string, length: number, wanted: number) => {
    if (length !== wanted) {
      throw new TypeError(`"${name}": ${what} has ${length} elements, expected ${wanted}`);
    }
  };
  if ("pixels" in input) expect("pixels", input.pixels.length, size * length);
  const pictures = "pixels" in input ? picturesInMemory(input.pixels, length) : input.pictures;
  expect("pictures", pictures.size * pictures.length, size * length);
  const full = {
    concept: input.concept ?? new Int32Array(size).fill(-1),
    source: input.source ?? new Uint8Array(size),
    inDomain: input.inDomain ?? new Uint8Array(size).fill(1),
    clean: input.clean ?? new Uint8Array(size).fill(1),
  };
  for (const [what, array] of Object.entries(full)) expect(what, array.length, size);
  const hash = await hashPairs(pictures, captions);
  const flagged = input.flagged ?? (input.inDomain !== undefined || input.clean !== undefined);
  return {
    name,
    size,
    imageSize,
    pictures,
    captions,
    sources: input.sources ?? [name],
    ...(input.keys ? { keys: input.keys } : {}),
    flagged,
    ...full,
    hash,
  };
}

/** Rows of a matrix, in the order given. */
export function pickRows<T extends Uint8Array | Uint32Array | Int32Array | Float32Array>(
  all: T,
  width: number,
  rows: ArrayLike<number>,
): T {
  const picked = new (all.constructor as { new (length: number): T })(rows.length * width);
  for (let at = 0; at < rows.length; at++) {
    picked.set(all.subarray(rows[at] * width, (rows[at] + 1) * width), at * width);
  }
  return picked;
}

/** A part of a data set, in the order given. */
export async function pickPairs(data: PairDataset, pairs: Uint32Array): Promise<PairDataset> {
  return await pairDataset({
    ...data,
    pictures: pickPictures(data.pictures, pairs),
    captions: Array.from(pairs, (pair) => data.captions[pair]),
    ...(data.keys ? { keys: Array.from(pairs, (pair) => data.keys![pair]) } : {}),
    concept: pickRows(data.concept, 1, pairs),
    source: pickRows(data.source, 1, pairs),
    inDomain: pickRows(data.inDomain, 1, pairs),
    clean: pickRows(data.clean, 1, pairs),
  });
}

/** A part of a data set with its tokens, in the order given. */
export async function subset(data: TokenisedDataset, pairs: Uint32Array): Promise<TokenisedDataset> {
  const tokens = pickRows(data.tokens, data.tokens.length / data.size, pairs);
  return { ...await pickPairs(data, pairs), tokens };
}

/**
 * The pairs of one data set, then those of another.
 *
 * @throws TypeError when their pictures or captions differ in size
 */
export async function concatenate(one: TokenisedDataset, other: TokenisedDataset): Promise<TokenisedDataset> {
  const length = ({ tokens, size }: TokenisedDataset) => tokens.length / size;
  if (one.imageSize !== other.imageSize || length(one) !== length(other)) {
    throw new TypeError(
      `"${one.name}" has pictures of ${one.imageSize} pixels and ${length(one)} tokens, "${other.name}" of ` +
        `${other.imageSize} and ${length(other)}: prepare both alike`,
    );
  }
  const sources = [...new Set([...one.sources, ...other.sources])];
  const both = <T extends Uint8Array | Uint32Array | Int32Array>(a: T, b: T): T => {
    const joined = new (a.constructor as { new (length: number): T })(a.length + b.length);
    joined.set(a);
    joined.set(b, a.length);
    return joined;
  };
  const source = (set: TokenisedDataset) => set.source.map((at) => sources.indexOf(set.sources[at]));
  const pairs = await pairDataset({
    name: `${one.name} and ${other.name}`,
    imageSize: one.imageSize,
    flagged: one.flagged && other.flagged,
    pictures: chainPictures(one.pictures, other.pictures),
    captions: [...one.captions, ...other.captions],
    sources,
    source: both(source(one), source(other)),
    concept: both(one.concept, other.concept),
    inDomain: both(one.inDomain, other.inDomain),
    clean: both(one.clean, other.clean),
  });
  return { ...pairs, tokens: both(one.tokens, other.tokens) };
}

/** Pictures that are hashed at a time. */
const HASHED = 4096;

/** A hash of the hashes of a few thousand pictures each, and of the captions: so that not all need be in memory. */
async function hashPairs(pictures: Pictures, captions: readonly string[]): Promise<string> {
  const parts: Uint8Array[] = [];
  const add = async (bytes: Uint8Array<ArrayBuffer>) => {
    parts.push(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  };
  for (let first = 0; first < pictures.size; first += HASHED) {
    await add(pictures.slice(first, Math.min(HASHED, pictures.size - first)));
  }
  await add(new TextEncoder().encode(captions.join("\0")));
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts as BlobPart[]).arrayBuffer());
  return new Uint8Array(digest).toHex();
}
