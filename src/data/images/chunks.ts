/**
 * The chunks that PNG and WebP are made of, and the first picture of a WebP that moves.
 *
 * @module
 */

/** A named part of a file. */
export interface Chunk {
  /** Four letters. */
  readonly kind: string;
  /** Without its header. */
  readonly data: Uint8Array;
  /** With its header and padding. */
  readonly whole: Uint8Array;
}

/** A file's chunks, up to one that is cut off. */
export function* chunksOf(bytes: Uint8Array, format: "png" | "webp"): Iterable<Chunk> {
  // PNG: a signature, then length (big-endian), kind, data, checksum.
  if (format === "png") yield* walk(bytes.subarray(8), (view, at) => [at + 4, view.getUint32(at), 4]);
  else yield* riffChunks(bytes.subarray(12));
}

/** RIFF: kind, length (little-endian), data, padding to an even length. */
function riffChunks(bytes: Uint8Array): Iterable<Chunk> {
  return walk(bytes, (view, at) => {
    const length = view.getUint32(at + 4, true);
    return [at, length, length % 2];
  });
}

/** @param header from where a chunk begins: where its kind stands, its data's length, and how many bytes follow these */
function* walk(
  bytes: Uint8Array,
  header: (view: DataView, at: number) => [kind: number, length: number, behind: number],
): Iterable<Chunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 8 <= bytes.length;) {
    const [kind, length, behind] = header(view, at), end = at + 8 + length;
    if (end > bytes.length) return;
    yield {
      kind: String.fromCharCode(...bytes.subarray(kind, kind + 4)),
      data: bytes.subarray(at + 8, end),
      whole: bytes.subarray(at, end + behind),
    };
    at = end + behind;
  }
}

/** The first picture of a WebP that moves: a still WebP, and where it lies on the canvas. */
export interface FirstFrame {
  readonly webp: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly top: number;
}

/**
 * Takes the first frame out of a WebP that moves: https://developers.google.com/speed/webp/docs/riff_container.
 *
 * @returns null for a WebP that is still
 */
export function firstFrame(bytes: Uint8Array): FirstFrame | null {
  const frame = [...chunksOf(bytes, "webp")].find(({ kind }) => kind === "ANMF");
  if (!frame || frame.data.length < 16) return null;
  const { data } = frame, three = (at: number) => data[at] | data[at + 1] << 8 | data[at + 2] << 16;
  const parts = [...riffChunks(data.subarray(16))].filter(({ kind }) => /^(ALPH|VP8 |VP8L)$/.test(kind));
  // The extended header: a flag for transparency, and the frame's size less one.
  const extended = new Uint8Array(18);
  extended.set([...new TextEncoder().encode("VP8X"), 10, 0, 0, 0]);
  if (parts.some(({ kind }) => kind !== "VP8 ")) extended[8] = 0x10;
  extended.set(data.subarray(6, 12), 12);
  const body = [new TextEncoder().encode("WEBP"), extended, ...parts.map(({ whole }) => whole)];
  const length = body.reduce((sum, part) => sum + part.length, 0), webp = new Uint8Array(8 + length);
  webp.set(new TextEncoder().encode("RIFF"));
  new DataView(webp.buffer).setUint32(4, length, true);
  let at = 8;
  for (const part of body) {
    webp.set(part, at);
    at += part.length;
  }
  return { webp, left: three(0) * 2, top: three(3) * 2, width: three(6) + 1, height: three(9) + 1 };
}
