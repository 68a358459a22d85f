/**
 * Pictures as PNG files.
 *
 * @module
 */

import { crc32, deflateSync } from "node:zlib";

/** RGB pixels, [height, width, 3]. */
export interface Raster {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** Row by row, red, green and blue of each pixel. */
  readonly pixels: Uint8Array;
}

/** Eight-bit RGB as a PNG file (ISO/IEC 15948). */
export function encodePng({ width, height, pixels }: Raster): Uint8Array {
  const rows = new Uint8Array(height * (width * 3 + 1)); // each row begins with its filter, 0: none
  for (let y = 0; y < height; y++) {
    rows.set(pixels.subarray(y * width * 3, (y + 1) * width * 3), y * (width * 3 + 1) + 1);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 2, 0, 0, 0], 8); // eight bits, RGB
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", new Uint8Array()),
  ];
  const file = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}

/** Square pictures [size, size, 3] side by side on white, each enlarged by whole pixels. */
export function tilePictures(
  pictures: readonly Uint8Array[],
  size: number,
  { columns, scale = 1, gap = 4 }: { columns: number; scale?: number; gap?: number },
): Raster {
  const side = size * scale, step = side + gap;
  const across = Math.max(1, Math.min(columns, pictures.length)),
    down = Math.max(1, Math.ceil(pictures.length / across));
  const width = across * step + gap, height = down * step + gap;
  const pixels = new Uint8Array(width * height * 3).fill(255);
  pictures.forEach((picture, index) => {
    const left = gap + (index % across) * step, top = gap + Math.floor(index / across) * step;
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const from = (Math.floor(y / scale) * size + Math.floor(x / scale)) * 3;
        pixels.set(picture.subarray(from, from + 3), ((top + y) * width + left + x) * 3);
      }
    }
  });
  return { width, height, pixels };
}
