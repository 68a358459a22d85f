/**
 * Retrieval where a picture may have several captions, as in Flickr30k and COCO.
 *
 * m pictures, n captions, D width of the embeddings.
 *
 * @module
 */

import type { RetrievalScore } from "./evaluation.ts";
import { hitAt, normalizedRank, reciprocalRank } from "./rank.ts";
import { checkEmbeddings, similarities } from "./similarity.ts";

const BLOCK_ROWS = 64;

/** Retrieval in one direction, with recall at ten. */
export interface RecallScore extends RetrievalScore {
  /** Share of queries whose match is among the first ten. */
  r10: number;
}

/** Both directions of retrieval between pictures and their captions. */
export interface CaptionRetrieval {
  /** Queries are pictures: the best of the picture's captions counts, its others are left out of the ranking. */
  imageToText: RecallScore;
  /** Queries are captions: the one picture that it belongs to counts. */
  textToImage: RecallScore;
}

/**
 * R@1, R@5, R@10, mean reciprocal rank and mean normalised rank, both ways. Ties count as if broken at random
 * (`rank.ts`), so constant embeddings score chance.
 *
 * @param image [m, D] unit rows
 * @param text [n, D] unit rows
 * @param pictureOf [n] the picture of each caption, 0 … m − 1; every picture has a caption
 * @throws RangeError when a size does not fit, a picture has no caption, or an embedding is not finite
 */
export function captionRetrieval(
  image: Float32Array,
  text: Float32Array,
  pictureOf: Int32Array,
  width: number,
): CaptionRetrieval {
  const m = image.length / width, n = pictureOf.length;
  if (n === 0) throw new RangeError("Cannot score retrieval over 0 captions, expected at least 1");
  checkEmbeddings("image", image, Math.floor(m), width);
  checkEmbeddings("text", text, n, width);
  const captionsOf: number[][] = Array.from({ length: m }, () => []);
  pictureOf.forEach((picture, caption) => {
    if (!(picture >= 0 && picture < m)) {
      throw new RangeError(`Caption ${caption} belongs to picture ${picture}, expected 0 … ${m - 1}`);
    }
    captionsOf[picture].push(caption);
  });
  const bare = captionsOf.findIndex((captions) => captions.length === 0);
  if (bare >= 0) throw new RangeError(`Picture ${bare} has no caption: leave it out of retrieval`);

  // The score that each caption has with its own picture.
  const own = new Float64Array(n), one = new Float64Array(1);
  pictureOf.forEach((picture, caption) => {
    similarities(text, caption, 1, image.subarray(picture * width, (picture + 1) * width), 1, width, one);
    own[caption] = one[0];
  });
  const above = new Int32Array(n), tied = new Int32Array(n);
  const imageToText = new Sums(), textToImage = new Sums();
  const scores = new Float64Array(BLOCK_ROWS * n);
  for (let start = 0; start < m; start += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, m - start);
    similarities(image, start, count, text, n, width, scores);
    for (let row = 0; row < count; row++) {
      const picture = start + row, first = row * n;
      const best = captionsOf[picture].reduce((most, caption) => Math.max(most, own[caption]), -Infinity);
      let higher = 0, equal = 0;
      for (let caption = 0; caption < n; caption++) {
        if (pictureOf[caption] === picture) continue;
        const score = scores[first + caption];
        if (score > best) higher++;
        else if (score === best) equal++;
        if (score > own[caption]) above[caption]++;
        else if (score === own[caption]) tied[caption]++;
      }
      imageToText.add(higher, equal, n - captionsOf[picture].length);
    }
  }
  for (let caption = 0; caption < n; caption++) textToImage.add(above[caption], tied[caption], m - 1);
  return { imageToText: imageToText.means(), textToImage: textToImage.means() };
}

/** What the queries of one direction come to. */
class Sums {
  #queries = 0;
  readonly #sum: RecallScore = { r1: 0, r5: 0, r10: 0, mrr: 0, meanRank: 0 };

  add(above: number, tied: number, wrong: number): void {
    this.#queries++;
    this.#sum.r1 += hitAt(1, above, tied);
    this.#sum.r5 += hitAt(5, above, tied);
    this.#sum.r10 += hitAt(10, above, tied);
    this.#sum.mrr += reciprocalRank(above, tied);
    this.#sum.meanRank += normalizedRank(above, tied, wrong);
  }

  means(): RecallScore {
    const { r1, r5, r10, mrr, meanRank } = this.#sum, n = this.#queries;
    return { r1: r1 / n, r5: r5 / n, r10: r10 / n, mrr: mrr / n, meanRank: meanRank / n };
  }
}
