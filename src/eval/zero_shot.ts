/**
 * Zero-shot classification: each picture against one embedding a class.
 *
 * n pictures, C classes, P prompts a class, D width of the embeddings.
 *
 * @module
 */

import type { ZeroShotScore } from "./evaluation.ts";
import { hitAt } from "./rank.ts";
import { checkEmbeddings, similarities } from "./similarity.ts";

const BLOCK_ROWS = 64;

/**
 * Share of pictures whose class is the best, and among the best five. Ties count as if broken at random (`rank.ts`).
 *
 * @param image [n, D] unit rows
 * @param labels [n] class of each picture, 0 … C − 1
 * @param classEmbeddings [C, D] unit rows, see {@link promptEnsemble}
 * @throws RangeError when a size does not fit, a label is no class, or an embedding is not finite
 */
export function zeroShot(
  image: Float32Array,
  labels: Int32Array,
  classEmbeddings: Float32Array,
): ZeroShotScore {
  const n = labels.length;
  if (n === 0) throw new RangeError("Cannot score zero-shot over 0 pictures, expected at least 1");
  const width = image.length / n, classes = classEmbeddings.length / width;
  checkEmbeddings("image", image, n, width);
  checkEmbeddings("class embeddings", classEmbeddings, Math.floor(classes), width);
  const stray = labels.findIndex((label) => label < 0 || label >= classes);
  if (stray >= 0) {
    throw new RangeError(
      `Label ${labels[stray]} of picture ${stray} is no class, expected 0 … ${classes - 1}`,
    );
  }
  const scores = new Float64Array(BLOCK_ROWS * classes);
  let top1 = 0, top5 = 0;
  for (let start = 0; start < n; start += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, n - start);
    similarities(image, start, count, classEmbeddings, classes, width, scores);
    for (let row = 0; row < count; row++) {
      const first = row * classes, match = scores[first + labels[start + row]];
      let above = 0, tied = -1; // the class ties with itself
      for (let at = first; at < first + classes; at++) {
        if (scores[at] > match) above++;
        else if (scores[at] === match) tied++;
      }
      top1 += hitAt(1, above, tied);
      top5 += hitAt(5, above, tied);
    }
  }
  return { top1: top1 / n, top5: top5 / n };
}

/**
 * One unit embedding a class: the mean over its prompts, brought to length 1.
 * Source: CLIP, arXiv:2103.00020, section 3.1.4.
 *
 * @param textEmbeddings [C·P, D] unit rows, the P prompts of a class one after another
 * @param prompts P
 * @param width D
 * @returns [C, D]
 * @throws RangeError when the size does not fit, or an embedding is not finite
 */
export function promptEnsemble(
  textEmbeddings: Float32Array,
  prompts: number,
  width: number,
): Float32Array<ArrayBuffer> {
  const classes = textEmbeddings.length / (prompts * width);
  if (!Number.isInteger(classes)) {
    throw new RangeError(
      `Cannot average ${textEmbeddings.length} numbers: expected a multiple of ${prompts} prompts of width ${width}`,
    );
  }
  checkEmbeddings("prompts", textEmbeddings, classes * prompts, width);
  const means = new Float32Array(classes * width);
  const sum = new Float64Array(width);
  for (let c = 0; c < classes; c++) {
    sum.fill(0);
    for (let at = c * prompts * width; at < (c + 1) * prompts * width; at++) {
      sum[at % width] += textEmbeddings[at];
    }
    const norm = Math.hypot(...sum) + 1e-8; // as the model's own normalisation
    for (let d = 0; d < width; d++) means[c * width + d] = sum[d] / norm;
  }
  return means;
}
