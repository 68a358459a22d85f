/**
 * Resampling in two passes, columns and then lines, rounded to bytes after each. The passes run in WASM with SIMD:
 * `wasm/resample.ts`.
 *
 * @module
 */

import type { RgbImage } from "./image.ts";
import type { Preprocessing } from "./preprocessing.ts";
import { passes } from "./resample.gen.ts";
import { resampleWeights } from "./resample_weights.ts";

/** A part of a picture, in pixels. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** What `wasm/resample.ts` exports. */
interface Passes {
  readonly memory: WebAssembly.Memory;
  readonly horizontal: (
    source: number,
    rows: number,
    width: number,
    table: number,
    stride: number,
    out: number,
    target: number,
  ) => void;
  readonly vertical: (
    source: number,
    length: number,
    table: number,
    stride: number,
    out: number,
    target: number,
  ) => void;
}

/** Source bytes that are copied at a time, about as many as caches hold. */
const BAND_BYTES = 2 ** 20;
/** Memory that is kept for the next picture. */
const KEPT_BYTES = 2 ** 26;
/** What loads and stores reach beyond the end of rows. */
const ROOM = 64;
const PAGE_BYTES = 2 ** 16;

let instance: Passes | null = null;

/** Weights of one axis as the passes read them. */
interface Table {
  /** [out]: the first source pixel. */
  readonly first: Int32Array;
  /** [out]: behind the last source pixel. */
  readonly end: Int32Array;
  readonly bytes: Uint8Array;
  /** Bytes of a line. */
  readonly stride: number;
}

const HEAD_BYTES = 8, GROUP = 4, GROUP_BYTES = 16;
/** Bits of the lower part of a weight. */
const LOW_BITS = 11;

function makeTable(size: number, out: number, filter: Preprocessing["filter"]): Table {
  const { taps, first, count, weights } = resampleWeights(size, out, filter);
  const stride = HEAD_BYTES + Math.ceil(taps / GROUP) * GROUP_BYTES;
  const bytes = new Uint8Array(out * stride), heads = new Int32Array(bytes.buffer);
  const halves = new Int16Array(bytes.buffer);
  for (let line = 0; line < out; line++) {
    heads[line * stride / 4] = first[line];
    heads[line * stride / 4 + 1] = Math.ceil(count[line] / GROUP);
    for (let k = 0; k < count[line]; k++) {
      const weight = weights[line * taps + k];
      const at = (line * stride + HEAD_BYTES + Math.floor(k / GROUP) * GROUP_BYTES) / 2 + k % GROUP;
      halves[at] = weight >> LOW_BITS;
      halves[at + GROUP] = weight & (1 << LOW_BITS) - 1;
    }
  }
  return { first, end: first.map((from, line) => from + count[line]), bytes, stride };
}

const cache = new Map<string, Table>();

/** Tables of the last few sizes: pictures of a set often share theirs. */
function table(size: number, out: number, filter: Preprocessing["filter"]): Table {
  const key = `${size} ${out} ${filter}`;
  let found = cache.get(key);
  if (!found) {
    found = makeTable(size, out, filter);
    if (cache.size >= 64) cache.delete(cache.keys().next().value!);
    cache.set(key, found);
  }
  return found;
}

/**
 * What a window shows of a picture that is brought to another size.
 *
 * @param outWidth the whole picture's width, then
 * @param outHeight and height
 * @param window lies in it
 * @returns [window's height, window's width, 3] bytes
 */
export function resampleWindow(
  { width, height, data }: RgbImage,
  outWidth: number,
  outHeight: number,
  filter: Preprocessing["filter"],
  window: Window,
): Uint8Array<ArrayBuffer> {
  const columns = table(width, outWidth, filter), lines = table(height, outHeight, filter);
  // The source lines that the window is made of.
  const from = lines.first[window.top], to = lines.end[window.top + window.height - 1];
  const sourceBytes = width * 3, length = window.width * 3;
  const band = Math.max(1, Math.floor(BAND_BYTES / sourceBytes));

  let end = ROOM;
  const place = (bytes: number) => {
    const at = end;
    end = Math.ceil((at + bytes + ROOM) / 16) * 16;
    return at;
  };
  const columnsAt = place(columns.bytes.length), linesAt = place(lines.bytes.length);
  const bandAt = place(Math.min(band, to - from) * sourceBytes);
  // A group of weights may reach beyond the last line.
  const middleAt = place((to - from + GROUP) * length), outAt = place(window.height * length);
  const { memory, horizontal, vertical } = instance ??= start();
  const missing = end - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));

  const bytes = new Uint8Array(memory.buffer);
  bytes.set(columns.bytes, columnsAt);
  bytes.set(lines.bytes, linesAt);
  for (let y = from; y < to; y += band) {
    const rows = Math.min(band, to - y);
    bytes.set(data.subarray(y * sourceBytes, (y + rows) * sourceBytes), bandAt);
    horizontal(
      bandAt,
      rows,
      width,
      columnsAt + window.left * columns.stride,
      columns.stride,
      window.width,
      middleAt + (y - from) * length,
    );
  }
  // Line 0 would lie `from` lines before the first that was made; addresses wrap around.
  vertical(
    middleAt - from * length,
    length,
    linesAt + window.top * lines.stride,
    lines.stride,
    window.height,
    outAt,
  );
  const result = bytes.slice(outAt, outAt + window.height * length);
  if (memory.buffer.byteLength > KEPT_BYTES) instance = null;
  return result;
}

function start(): Passes {
  const module = new WebAssembly.Module(Uint8Array.fromBase64(passes));
  return new WebAssembly.Instance(module).exports as unknown as Passes;
}
