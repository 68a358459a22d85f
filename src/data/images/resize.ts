/**
 * Resizing with antialiasing, to the bit as Pillow does it.
 *
 * @module
 */

import type { RgbImage } from "./image.ts";
import type { Preprocessing } from "./preprocessing.ts";
import { resampleWindow } from "./resample.ts";

/** A picture at another size. */
export function resample(
  image: RgbImage,
  width: number,
  height: number,
  filter: Preprocessing["filter"],
): RgbImage {
  const data = resampleWindow(image, width, height, filter, { left: 0, top: 0, width, height });
  return { width, height, data };
}

/**
 * A picture as a model looks at it.
 *
 * @returns [I, I, 3] bytes
 */
export function resizeImage(
  image: RgbImage,
  { imageSize: side, filter, fit }: Pick<Preprocessing, "imageSize" | "filter" | "fit">,
): Uint8Array<ArrayBuffer> {
  const { width, height } = fittedSize(image, side, fit);
  // Only what is seen of it is made.
  const left = Math.max(0, Math.trunc((width - side) / 2)),
    top = Math.max(0, Math.trunc((height - side) / 2));
  const window = { left, top, width: Math.min(side, width), height: Math.min(side, height) };
  const resized = resampleWindow(image, width, height, filter, window);
  return fit === "pad" ? centred({ ...window, data: resized }, side) : resized;
}

/** The size to which a picture is brought before the square is cut from it, or it is set on the square. */
export function fittedSize(
  { width, height }: Pick<RgbImage, "width" | "height">,
  side: number,
  fit: Preprocessing["fit"],
): { width: number; height: number } {
  if (fit === "squash") return { width: side, height: side };
  // The short side fills the square when it is cut, the long side when it is padded.
  const scaled = fit === "crop" ? Math.min(width, height) : Math.max(width, height);
  const fitted = (length: number) => Math.max(1, Math.trunc(side * length / scaled));
  return { width: fitted(width), height: fitted(height) };
}

/** A picture in the middle of a white square that it fits in. */
function centred({ width, height, data }: RgbImage, side: number): Uint8Array<ArrayBuffer> {
  const square = new Uint8Array(side * side * 3).fill(255);
  const left = -Math.trunc((width - side) / 2), top = -Math.trunc((height - side) / 2);
  for (let y = 0; y < height; y++) {
    square.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * side + left) * 3);
  }
  return square;
}
