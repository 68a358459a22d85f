import type { HostEmbeddings } from "../../src/selection/select.ts";
import { l2Normalize } from "../reference/l2_normalize.ts";
import type { ScoredEmbeddings } from "../reference/joint_selection.ts";
import { randomArray } from "../reference/random_array.ts";

/** How a made-up model sees its pairs. */
export interface PairsOptions {
  readonly width?: number;
  /** How far a caption is from its picture. */
  readonly noise?: number;
  readonly scale?: number;
  readonly bias?: number;
}

/** Embeddings of `count` pairs in which a caption is its picture and some noise, more of it in later pairs. */
export function pairs(
  seed: number,
  count: number,
  { width = 16, noise = 1, scale = 10, bias = -10 }: PairsOptions = {},
): HostEmbeddings {
  const picture = l2Normalize(randomArray(2 * seed, count * width), width);
  const blur = randomArray(2 * seed + 1, count * width, noise / Math.sqrt(width));
  const caption = l2Normalize(
    picture.map((value, at) => value + blur[at] * (0.5 + Math.floor(at / width) / count)),
    width,
  );
  return {
    image: Float32Array.from(picture),
    text: Float32Array.from(caption),
    width,
    logitScale: scale,
    logitBias: bias,
  };
}

/** A learner that tells little apart and a reference that tells a lot, of different widths. */
export function models(seed: number, count: number): { learner: HostEmbeddings; reference: HostEmbeddings } {
  return {
    learner: pairs(seed, count, { width: 16, noise: 3 }),
    reference: pairs(seed + 100, count, { width: 8, noise: 0.7, scale: 20, bias: -12 }),
  };
}

/** What the GPU sees of a model, for the float64 reference. */
export function scored({ image, text, logitScale, logitBias }: HostEmbeddings): ScoredEmbeddings {
  return { image, text, scale: Math.exp(Math.fround(Math.log(logitScale))), bias: logitBias };
}
