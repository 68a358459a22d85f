/**
 * How a picture of any size becomes what a model looks at.
 *
 * @module
 */

import * as v from "valibot";

const three = v.tuple([v.number(), v.number(), v.number()]);
const schema = v.object({
  imageSize: v.pipe(v.number(), v.integer(), v.minValue(1)),
  filter: v.picklist(["bicubic", "bilinear"]),
  fit: v.picklist(["squash", "crop", "pad"]),
  mean: three,
  std: v.pipe(three, v.check((std) => std.every((value) => value > 0), "std must be above 0")),
});

/** What is done to a picture before a model sees it. */
export interface Preprocessing {
  /** I, the side in pixels. */
  readonly imageSize: number;
  /** How it is resampled, always with antialiasing. */
  readonly filter: "bicubic" | "bilinear";
  /**
   * How another shape becomes a square: `squash` forgets the shape (SigLIP), `crop` keeps the middle (CLIP), `pad` puts white
   * beside it.
   */
  readonly fit: "squash" | "crop" | "pad";
  /** Subtracted from each channel, of a scale from 0 to 1. */
  readonly mean: readonly [number, number, number];
  /** What each channel is divided by then. */
  readonly std: readonly [number, number, number];
}

/** SigLIP's preprocessing at a size. */
export function sigLipPreprocessing(imageSize: number): Preprocessing {
  return { imageSize, filter: "bicubic", fit: "squash", mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
}

/** CLIP's preprocessing at a size. */
export function clipPreprocessing(imageSize: number): Preprocessing {
  return {
    imageSize,
    filter: "bicubic",
    fit: "crop",
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
  };
}

/**
 * Checks what was read from a file.
 *
 * @throws TypeError that names what is wrong
 */
export function parsePreprocessing(value: unknown): Preprocessing {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [{ message, path }] = result.issues;
  throw new TypeError(`The preprocessing's ${path?.map(({ key }) => key).join(".") ?? "value"}: ${message}`);
}
