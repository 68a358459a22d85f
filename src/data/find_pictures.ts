/**
 * The stored pictures of a few keys, to be shown.
 *
 * @module
 */

import { decodeImage } from "./images/decode.ts";
import type { RgbImage } from "./images/image.ts";
import { openSource } from "./sources/open_source.ts";
import { BadSample } from "./sources/source.ts";

/** Where a picture lies. */
export interface PicturePlace {
  readonly shard: string;
  readonly key: string;
}

/**
 * The pictures at some places. Only the shards that hold them are read, and each only as far as the last of them.
 *
 * @param source a path that {@link openSource} understands
 * @returns in the order given; null where there is no such picture any more
 * @throws SourceError when the data cannot be read
 */
export async function findPictures(
  source: string,
  places: readonly PicturePlace[],
  signal?: AbortSignal,
): Promise<(RgbImage | null)[]> {
  const found: (RgbImage | null)[] = places.map(() => null);
  for (const shard of (await openSource(source)).shards) {
    const wanted = new Map<string, number[]>();
    places.forEach((place, at) => {
      if (place.shard === shard.name) wanted.getOrInsertComputed(place.key, () => []).push(at);
    });
    if (wanted.size === 0) continue;
    for await (const sample of shard.read(signal)) {
      const at = wanted.get(sample.key);
      if (at === undefined || sample instanceof BadSample) continue;
      const picture = await decodeImage(sample.image).catch(() => null);
      for (const place of at) found[place] = picture;
      wanted.delete(sample.key);
      if (wanted.size === 0) break;
    }
  }
  return found;
}
