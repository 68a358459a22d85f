/**
 * A picture in memory, and the error for one that cannot be read.
 *
 * @module
 */

/** A decoded picture. */
export interface RgbImage {
  /** W, in pixels. */
  readonly width: number;
  /** H, in pixels. */
  readonly height: number;
  /** [H, W, 3] bytes. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A picture that cannot be read; the message says why. */
export class ImageError extends Error {
  /** "ImageError". */
  override readonly name = "ImageError";
}
