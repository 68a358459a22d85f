/**
 * Orientation as EXIF tells it, in the places where PNG and WebP keep it.
 *
 * @module
 */

import { chunksOf } from "./chunks.ts";

const ORIENTATION = 0x0112;

/**
 * The orientation in a PNG's `eXIf` or a WebP's `EXIF` chunk.
 *
 * @returns 1 to 8; 1, upright, where there is none, or nonsense
 */
export function chunkOrientation(bytes: Uint8Array, format: "png" | "webp"): number {
  for (const { kind, data } of chunksOf(bytes, format)) {
    if (kind === "eXIf" || kind === "EXIF") return tiffOrientation(data);
    if (kind === "IEND") break;
  }
  return 1;
}

/** Reads the first directory of a TIFF header: https://www.cipa.jp/std/documents/e/DC-X008-2012_E.pdf, 4.6. */
function tiffOrientation(data: Uint8Array): number {
  // Some writers put JPEG's prefix, "Exif\0\0", before it.
  const start = data[0] === 0x45 ? 6 : 0;
  const tiff = new DataView(data.buffer, data.byteOffset, data.length), little = data[start] === 0x49;
  const has = (at: number, length: number) => at >= 0 && at + length <= data.length;
  if (!has(start, 8)) return 1;
  const directory = start + tiff.getUint32(start + 4, little);
  if (!has(directory, 2)) return 1;
  const entries = tiff.getUint16(directory, little);
  for (let at = directory + 2; at < directory + 2 + entries * 12 && has(at, 12); at += 12) {
    if (tiff.getUint16(at, little) === ORIENTATION) return tiff.getUint16(at + 8, little);
  }
  return 1;
}
