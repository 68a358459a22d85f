/**
 * What a picture's header says, before anything is decoded.
 *
 * @module
 */

import { imageSize } from "image-size";
import { chunkOrientation } from "./exif.ts";
import { ImageError } from "./image.ts";

/** A format that is decoded. */
export type ImageFormat = "jpeg" | "png" | "webp";

const formats: readonly string[] = ["jpeg", "png", "webp"] satisfies ImageFormat[];

/** A picture's header. */
export interface ImageInfo {
  /** By its first bytes, whatever its name. */
  readonly format: ImageFormat;
  /** In pixels, as stored: before any turning. */
  readonly width: number;
  /** In pixels, as stored: before any turning. */
  readonly height: number;
  /** EXIF's orientation, 1 to 8; 1 is upright. */
  readonly orientation: number;
}

/**
 * Reads the header alone.
 *
 * @throws {ImageError} when it is none of a known format, or cut off
 */
export function readImageInfo(bytes: Uint8Array): ImageInfo {
  let found: ReturnType<typeof imageSize>;
  try {
    found = imageSize(bytes);
  } catch (cause) {
    throw new ImageError(`this is no picture: ${(cause as Error).message}`, { cause });
  }
  const format = found.type === "jpg" ? "jpeg" : found.type;
  if (!formats.includes(format!)) {
    throw new ImageError(`pictures in ${format} are not read: use ${formats.join(", ")}`);
  }
  const { width, height } = found;
  if (!(width > 0 && height > 0)) throw new ImageError(`its header says ${width}×${height} pixels`);
  const orientation = format === "png" || format === "webp"
    ? chunkOrientation(bytes, format)
    : found.orientation ?? 1;
  const known = Number.isInteger(orientation) && orientation >= 1 && orientation <= 8;
  return { format: format as ImageFormat, width, height, orientation: known ? orientation : 1 };
}
