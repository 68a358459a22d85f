/**
 * What stored data are like, found by reading every sample once.
 *
 * @module
 */

import { randomWord, Stream } from "../random/philox.ts";
import { decodeImage } from "./images/decode.ts";
import { readImageInfo } from "./images/image_info.ts";
import { resizeImage } from "./images/resize.ts";
import { pictureHash, SimilarPictures } from "./similar_pictures.ts";
import { openSource } from "./sources/open_source.ts";
import { BadSample, type StoredPair } from "./sources/source.ts";

/** Least, middle and greatest of some numbers, and what 95 % of them do not exceed. */
export interface Spread {
  readonly least: number;
  readonly median: number;
  readonly p95: number;
  readonly most: number;
}

/** What {@link inspectData} found. */
export interface DataReport {
  readonly name: string;
  readonly shards: number;
  /** Usable pairs; a picture counts as often as it has captions. */
  readonly pairs: number;
  /** Distinct pictures, by shard and key. */
  readonly pictures: number;
  /** Bytes of the pictures as stored. */
  readonly bytes: number;
  /** Pictures of each format. */
  readonly formats: Readonly<Record<string, number>>;
  /** In pixels; null without a pair. */
  readonly width: Spread | null;
  readonly height: Spread | null;
  /** Words of a caption. */
  readonly captionWords: Spread | null;
  /** [11]: captions of 0, 1, … 9 times five words and a few, the last of all longer ones. */
  readonly captionHistogram: readonly number[];
  /** Pairs whose caption another pair had before. */
  readonly duplicateCaptions: number;
  /** The captions that occur most often, more than once. */
  readonly commonCaptions: readonly { readonly caption: string; readonly count: number }[];
  /** Pictures that look like one before. */
  readonly duplicatePictures: number;
  /** The first of them, each with the one that it is like. */
  readonly similar: readonly { readonly picture: string; readonly like: string }[];
  /** Pairs of each class, where there are classes. */
  readonly labels: Readonly<Record<string, number>>;
  /** Samples that cannot be used. */
  readonly broken: readonly { readonly shard: string; readonly key: string; readonly reason: string }[];
}

/** A picture for the contact sheet. */
export interface SamplePicture {
  /** [size, size, 3] RGB bytes. */
  readonly pixels: Uint8Array;
  readonly caption: string;
  readonly key: string;
}

/** How data are inspected. */
export interface InspectOptions {
  /** Samples to read at most, broken ones included. */
  readonly limit?: number;
  /** Pictures to keep for a contact sheet, drawn evenly from all, the same every time. */
  readonly pictures: number;
  /** Side of those pictures. */
  readonly size: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Side at which pictures are compared. */
const HASH_SIDE = 72;
const LISTED = 20, WORDS_A_BAR = 5, BARS = 11;

/**
 * Reads a data set through.
 *
 * @param path what `openSource` understands
 * @throws SourceError when the data cannot be read
 */
export async function inspectData(
  path: string,
  { limit = Infinity, pictures, size, onProgress, signal }: InspectOptions,
): Promise<{ report: DataReport; samples: SamplePicture[] }> {
  const source = await openSource(path), total = Number.isFinite(limit) ? limit : 0;
  const widths: number[] = [], heights: number[] = [], words: number[] = [];
  const formats: Record<string, number> = {},
    labels: Record<string, number> = {},
    captions = new Map<string, number>();
  const seen = new Set<string>(), similar = new SimilarPictures<string>();
  const alike: { picture: string; like: string }[] = [], broken: DataReport["broken"][number][] = [];
  const samples: (SamplePicture & { at: number })[] = [], histogram = new Array<number>(BARS).fill(0);
  let bytes = 0, duplicatePictures = 0, pairs = 0, read = 0;

  const lookAt = async (pair: StoredPair, name: string): Promise<void> => {
    const { format, width, height } = readImageInfo(pair.image);
    const picture = await decodeImage(pair.image);
    widths.push(width);
    heights.push(height);
    bytes += pair.image.length;
    formats[format] = (formats[format] ?? 0) + 1;
    const small = resizeImage(picture, { imageSize: HASH_SIDE, filter: "bilinear", fit: "squash" });
    const like = similar.find(pictureHash(small, HASH_SIDE), name);
    if (like !== null) {
      duplicatePictures++;
      if (alike.length < LISTED) alike.push({ picture: name, like });
    }
    // Reservoir sampling (Vitter's algorithm R).
    const number = seen.size;
    seen.add(name);
    const place = number < pictures
      ? number
      : Math.floor(randomWord(0, Stream.data, 0, number) / 2 ** 32 * (number + 1));
    if (place < pictures) {
      const pixels = resizeImage(picture, { imageSize: size, filter: "bilinear", fit: "pad" });
      samples[place] = { pixels, caption: pair.caption, key: pair.key, at: number };
    }
  };

  reading:
  for (const shard of source.shards) {
    for await (const sample of shard.read(signal)) {
      signal?.throwIfAborted();
      if (read >= limit) break reading;
      onProgress?.(++read, total);
      let fault = sample instanceof BadSample ? sample : null;
      if (!(sample instanceof BadSample)) {
        const name = source.shards.length > 1 ? `${sample.shard}: ${sample.key}` : sample.key;
        try {
          if (!seen.has(name)) await lookAt(sample, name);
          pairs++;
          const count = sample.caption.split(/\s+/).filter((word) => word !== "").length;
          words.push(count);
          histogram[Math.min(Math.floor(count / WORDS_A_BAR), BARS - 1)]++;
          captions.set(sample.caption, (captions.get(sample.caption) ?? 0) + 1);
          if (sample.label !== undefined) labels[sample.label] = (labels[sample.label] ?? 0) + 1;
        } catch (error) {
          fault = new BadSample(sample.shard, sample.key, (error as Error).message);
        }
      }
      if (fault) broken.push({ shard: fault.shard, key: fault.key, reason: fault.reason });
    }
  }
  onProgress?.(read, read);
  const report: DataReport = {
    name: source.name,
    shards: source.shards.length,
    pairs,
    pictures: seen.size,
    bytes,
    formats,
    width: spread(widths),
    height: spread(heights),
    captionWords: spread(words),
    captionHistogram: histogram,
    duplicateCaptions: pairs - captions.size,
    commonCaptions: [...captions].filter(([, count]) => count > 1).sort((a, b) => b[1] - a[1])
      .slice(0, LISTED).map(([caption, count]) => ({ caption, count })),
    duplicatePictures,
    similar: alike,
    labels,
    broken,
  };
  return { report, samples: samples.toSorted((a, b) => a.at - b.at).map(({ at: _, ...sample }) => sample) };
}

function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)];
  return { least: sorted[0], median: at(0.5), p95: at(0.95), most: sorted[sorted.length - 1] };
}
