/**
 * Pictures from their files' bytes: JPEG, PNG and WebP, upright, without transparency, always RGB.
 *
 * The codecs are WASM (mozjpeg, image-rs, libwebp), so that nothing runs outside the sandbox.
 *
 * @module
 */

import decodeJpeg, { init as initJpeg } from "@jsquash/jpeg/decode.js";
import "@jsquash/png/codec/pkg/squoosh_png.js"; // is imported again, by its place, for each new instance
import type * as Png from "@jsquash/png/codec/pkg/squoosh_png.js";
import decodeWebp, { init as initWebp } from "@jsquash/webp/decode.js";
import { decode as decodeCmyk } from "jpeg-js";
import { firstFrame } from "./chunks.ts";
import { ImageError, type RgbImage } from "./image.ts";
import { type ImageFormat, type ImageInfo, readImageInfo } from "./image_info.ts";

/** Pixels of the largest picture that is decoded, unless another limit is given; Pillow warns from as many on. */
export const MOST_PIXELS = 89_478_485;

/** Pixels with transparency, as codecs give them. */
interface RgbaImage {
  readonly width: number;
  readonly height: number;
  /** [H, W, 4] */
  readonly data: ArrayBufferView;
}

// A codec that gives up in the middle of a picture keeps its stack and memory as they are, and would fail at good pictures
// after some time: each gets a new instance then.
const modules = new Map<ImageFormat, Promise<WebAssembly.Module>>();
const ready = new Map<ImageFormat, Promise<unknown>>();

/** What a codec said last; it goes on after most of what it complains of, as Pillow does. */
let complaint = "";

let png: typeof Png, pngInstances = 0;

/** The bindings of the PNG codec hold one instance for good, so that a new one takes a new copy of them. */
async function initPng(module: WebAssembly.Module): Promise<void> {
  const bindings = import.meta.resolve("npm:@jsquash/png@3.1.1/codec/pkg/squoosh_png.js");
  png = await import(`${bindings}?instance=${pngInstances++}`);
  png.initSync(module);
}

/** The types of the bindings leave out that both arguments may be given. */
function initEmscripten(init: unknown, module: WebAssembly.Module): Promise<void> {
  return (init as (module: WebAssembly.Module, overrides: object) => Promise<void>)(module, {
    printErr: (text: string) => complaint = text,
  });
}

// With their versions, so that they are found where this package's deno.json is not in force.
const codecs: Readonly<
  Record<ImageFormat, {
    readonly wasm: string;
    readonly init: (module: WebAssembly.Module) => Promise<unknown>;
    readonly decode: (bytes: ArrayBuffer, info: ImageInfo) => RgbaImage | Promise<RgbaImage>;
  }>
> = {
  jpeg: {
    wasm: "npm:@jsquash/jpeg@1.6.0/codec/dec/mozjpeg_dec.wasm",
    init: (module) => initEmscripten(initJpeg, module),
    decode: jpeg,
  },
  png: {
    wasm: "npm:@jsquash/png@3.1.1/codec/pkg/squoosh_png_bg.wasm",
    init: initPng,
    decode: (bytes) => png.decode(new Uint8Array(bytes)),
  },
  webp: {
    wasm: "npm:@jsquash/webp@1.5.0/codec/dec/webp_dec.wasm",
    init: (module) => initEmscripten(initWebp, module),
    decode: webp,
  },
};

/** Makes a codec ready, once. */
function prepare(format: ImageFormat): Promise<unknown> {
  const { wasm, init } = codecs[format];
  const module = modules.getOrInsertComputed(
    format,
    async () => await WebAssembly.compile(await Deno.readFile(new URL(import.meta.resolve(wasm)))),
  );
  return ready.getOrInsertComputed(format, async () => await init(await module));
}

/**
 * Decodes a picture: turned upright as its EXIF orientation asks, transparency on white, grey and CMYK as RGB; of an animation
 * the first frame.
 *
 * @param options.maxPixels a larger picture is refused before it is decoded
 * @throws {ImageError} when it is too large, damaged, or of no known format
 */
export async function decodeImage(
  bytes: Uint8Array,
  { maxPixels = MOST_PIXELS }: { readonly maxPixels?: number } = {},
): Promise<RgbImage> {
  const info = readImageInfo(bytes), { format, width, height, orientation } = info;
  if (width * height > maxPixels) {
    throw new ImageError(
      `it has ${width}×${height} pixels, more than the ${maxPixels.toLocaleString("en")} that are decoded`,
    );
  }
  await prepare(format);
  complaint = "";
  let decoded: RgbaImage;
  try {
    decoded = await codecs[format].decode(wholeBuffer(bytes), info);
  } catch (cause) {
    ready.delete(format);
    throw new ImageError(`its ${format} cannot be decoded: ${describe(cause)}`, { cause });
  }
  return upright(onWhite(decoded), orientation);
}

/** Codecs take whole buffers: what is only a part of one is copied. */
function wholeBuffer(bytes: Uint8Array): ArrayBuffer {
  const whole = bytes.buffer instanceof ArrayBuffer && bytes.length === bytes.buffer.byteLength;
  return (whole ? bytes : bytes.slice()).buffer as ArrayBuffer;
}

/** Codecs in WASM throw what they like. */
function describe(cause: unknown): string {
  return complaint || (cause instanceof ImageError ? cause.message : "it is damaged");
}

async function jpeg(buffer: ArrayBuffer): Promise<RgbaImage> {
  const bytes = new Uint8Array(buffer), { components, at } = jpegFrame(bytes);
  // mozjpeg fills up what is missing with grey, and says nothing.
  if (!endsBehind(bytes, at)) throw new ImageError("it is cut off");
  return components === 4 ? cmyk(buffer) : await decodeJpeg(buffer);
}

/** Colour components of a JPEG and where its frame header lies; 3 and 2 where none is found. */
function jpegFrame(bytes: Uint8Array): { components: number; at: number } {
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    // Start of a frame: all SOF markers but the tables among them (DHT, JPG, DAC).
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { components: bytes[at + 9], at };
    }
    at += 2 + (bytes[at + 2] << 8 | bytes[at + 3]);
  }
  return { components: 3, at: 2 };
}

/** Whether the marker of a JPEG's end stands behind a place. */
function endsBehind(bytes: Uint8Array, place: number): boolean {
  for (let at = bytes.length - 2; at > place; at--) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  }
  return false;
}

/** Of a picture that moves the first frame, on a clear canvas. */
async function webp(bytes: ArrayBuffer, { width, height }: ImageInfo): Promise<RgbaImage> {
  const frame = firstFrame(new Uint8Array(bytes));
  if (!frame) return await decodeWebp(bytes);
  // Before it is decoded: only the whole picture's size has been checked.
  if (frame.left + frame.width > width || frame.top + frame.height > height) {
    throw new ImageError("its first frame lies outside of it");
  }
  const image = await decodeWebp(frame.webp.buffer), row = image.width * 4;
  const pixels = new Uint8Array(image.data.buffer), canvas = new Uint8Array(width * height * 4);
  for (let y = 0; y < image.height; y++) {
    canvas.set(pixels.subarray(y * row, (y + 1) * row), ((frame.top + y) * width + frame.left) * 4);
  }
  return { width, height, data: canvas };
}

/** mozjpeg's build leaves CMYK alone. */
function cmyk(bytes: ArrayBuffer): RgbaImage {
  return decodeCmyk(bytes, { useTArray: true, formatAsRGBA: true, tolerantDecoding: false });
}

/** Composed on white, with Pillow's rounding. */
function onWhite({ width, height, data }: RgbaImage): RgbImage {
  // Little-endian words, red lowest.
  const pixels = new Uint32Array(data.buffer, data.byteOffset, width * height);
  const rgb = new Uint8Array(pixels.length * 3), words = new Uint32Array(rgb.buffer, 0, rgb.length >> 2);
  let at = 0;
  // Opaque pixels go four at a time, which are three words.
  for (let word = 0; at + 4 <= pixels.length; at += 4, word += 3) {
    const a = pixels[at], b = pixels[at + 1], c = pixels[at + 2], d = pixels[at + 3];
    if ((a & b & c & d) >>> 24 === 255) {
      words[word] = a & 0xffffff | b << 24;
      words[word + 1] = b >>> 8 & 0xffff | c << 16;
      words[word + 2] = c >>> 16 & 0xff | d << 8;
    } else composeOnWhite(pixels, at, at + 4, rgb);
  }
  composeOnWhite(pixels, at, pixels.length, rgb);
  return { width, height, data: rgb };
}

function composeOnWhite(pixels: Uint32Array, from: number, to: number, rgb: Uint8Array): void {
  for (let at = from; at < to; at++) {
    const alpha = pixels[at] >>> 24;
    for (let channel = 0; channel < 3; channel++) {
      const sum = (pixels[at] >> channel * 8 & 255) * alpha + 255 * (255 - alpha) + 128;
      rgb[at * 3 + channel] = (sum + (sum >> 8)) >> 8;
    }
  }
}

/** EXIF orientations by what the upright picture's x and y are read from: [columns and rows exchanged, x mirrored, y mirrored]. */
const turns: Readonly<Record<number, readonly [boolean, boolean, boolean]>> = {
  2: [false, true, false],
  3: [false, true, true],
  4: [false, false, true],
  5: [true, false, false],
  6: [true, false, true],
  7: [true, true, true],
  8: [true, true, false],
};

function upright(image: RgbImage, orientation: number): RgbImage {
  const turn = turns[orientation];
  if (!turn) return image;
  const [exchanged, mirrorX, mirrorY] = turn;
  const { width: w, height: h } = image, width = exchanged ? h : w, height = exchanged ? w : h;
  const data = new Uint8Array(image.data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const column = exchanged ? y : x, row = exchanged ? x : y;
      const from = ((mirrorY ? h - 1 - row : row) * w + (mirrorX ? w - 1 - column : column)) * 3;
      const to = (y * width + x) * 3;
      data[to] = image.data[from];
      data[to + 1] = image.data[from + 1];
      data[to + 2] = image.data[from + 2];
    }
  }
  return { width, height, data };
}
