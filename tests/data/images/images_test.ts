/** Decoding and resizing against Pillow; tests/fixtures/make_images.py made the pictures. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeImage } from "../../../src/data/images/decode.ts";
import { ImageError, type RgbImage } from "../../../src/data/images/image.ts";
import { readImageInfo } from "../../../src/data/images/image_info.ts";
import { resampleWeights } from "../../../src/data/images/resample_weights.ts";
import { resample, resizeImage } from "../../../src/data/images/resize.ts";

const folder = new URL("../../fixtures/images/", import.meta.url);
const { resized, ...decoded } = JSON.parse(await Deno.readTextFile(new URL("expected.json", folder)));
const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const file = (name: string) => Deno.readFile(new URL(name, folder));

/** The largest difference, in levels. */
function furthest(a: Uint8Array, b: Uint8Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at])), 0);
}

for (const [name, { width, height, pixels }] of Object.entries<Record<string, never>>(decoded)) {
  Deno.test(`${name} is decoded as Pillow does it`, async () => {
    const image = await decodeImage(await file(name));
    assert.deepEqual([image.width, image.height], [width, height]);
    const most = furthest(image.data, bytesOf(pixels));
    // The decoder of four components rounds its DCT in another way, which the change from YCC enlarges.
    assert.ok(most <= (name === "ycck.jpg" ? 3 : 1), `differs by ${most} levels`);
  });
}

Deno.test("resizing equals Pillow's to the bit, both filters, ten sizes", async () => {
  const source = { width: resized.width, height: resized.height, data: bytesOf(resized.pixels) };
  for (const { filter, width, height, sha256 } of resized.to) {
    const { data } = resample(source, width, height, filter);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data as Uint8Array<ArrayBuffer>));
    assert.equal(digest.toHex(), sha256, `${filter} to ${width}×${height}`);
  }
  assert.equal(resized.to.length, 20);
});

/** The same in the plainest way: a sum for each byte, columns before lines. */
function plainly(source: RgbImage, width: number, height: number, filter: "bilinear" | "bicubic"): RgbImage {
  const round = (sum: number) => Math.min(255, Math.max(0, Math.floor(sum / 2 ** 22 + 0.5)));
  const pass = (
    out: number,
    axis: { size: number; lines: number },
    read: (line: number, at: number, c: number) => number,
  ) => {
    const { taps, first, count, weights } = resampleWeights(axis.size, out, filter);
    return Array.from(
      { length: axis.lines },
      (_, line) =>
        Array.from({ length: out }, (_, x) =>
          [0, 1, 2].map((c) => {
            let sum = 0;
            for (let k = 0; k < count[x]; k++) sum += weights[x * taps + k] * read(line, first[x] + k, c);
            return round(sum);
          })),
    );
  };
  const rows = pass(
    width,
    { size: source.width, lines: source.height },
    (line, at, c) => source.data[(line * source.width + at) * 3 + c],
  );
  const columns = pass(height, { size: source.height, lines: width }, (line, at, c) => rows[at][line][c]);
  const data = Array.from({ length: height }, (_, y) => columns.map((column) => column[y])).flat(2);
  return { width, height, data: Uint8Array.from(data) };
}

/** Bytes that look random. */
function noise(width: number, height: number): RgbImage {
  let state = width * 7919 + height;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, next) };
}

Deno.test("resizing equals plain sums at any size, and when the source is taken in several bands", () => {
  const side = fc.integer({ min: 1, max: 70 }),
    filter = fc.constantFrom("bilinear" as const, "bicubic" as const);
  fc.assert(
    fc.property(side, side, side, side, filter, (w, h, width, height, filter) => {
      assert.deepEqual(
        resample(noise(w, h), width, height, filter),
        plainly(noise(w, h), width, height, filter),
      );
    }),
    { seed: 1, numRuns: 100 },
  );
  const large = noise(1500, 800); // 3.6 MB
  assert.deepEqual(resample(large, 13, 11, "bicubic"), plainly(large, 13, 11, "bicubic"));
});

Deno.test("a crop equals the middle of the whole picture, resized", () => {
  for (const [width, height] of [[97, 40], [40, 97], [33, 33], [5, 9]]) {
    const source = noise(width, height), size = 16, scale = size / Math.min(width, height);
    const whole = resample(source, Math.trunc(width * scale), Math.trunc(height * scale), "bicubic");
    const left = Math.trunc((whole.width - size) / 2), top = Math.trunc((whole.height - size) / 2);
    const middle = Array.from(
      { length: size },
      (_, y) => [...whole.data.subarray(
        ((top + y) * whole.width + left) * 3,
        ((top + y) * whole.width + left + size) * 3,
      )],
    );
    assert.deepEqual(
      resizeImage(source, { imageSize: size, filter: "bicubic", fit: "crop" }),
      Uint8Array.from(middle.flat()),
    );
  }
});

Deno.test("weights sum up to one, at every place of every size", () => {
  for (const filter of ["bilinear", "bicubic"] as const) {
    for (const [size, out] of [[1, 1], [1, 7], [65, 3], [3, 65], [640, 224]]) {
      const { taps, first, count, weights } = resampleWeights(size, out, filter);
      for (let x = 0; x < out; x++) {
        const row = weights.subarray(x * taps, x * taps + count[x]);
        const sum = row.reduce((total, weight) => total + weight, 0);
        assert.ok(Math.abs(sum / 2 ** 22 - 1) < 1e-5, `${filter} ${size} to ${out} at ${x}: ${sum}`);
        assert.ok(first[x] >= 0 && first[x] + count[x] <= size);
      }
    }
  }
});

Deno.test("a crop keeps the middle, padding puts white beside it", () => {
  // Columns 0 … 7, each of its own grey.
  const data = Uint8Array.from({ length: 8 * 4 * 3 }, (_, at) => Math.floor(at / 3) % 8 * 10);
  const wide = { width: 8, height: 4, data };
  const greys = (pixels: Uint8Array) => [...pixels].filter((_, at) => at % 3 === 0);
  const options = { imageSize: 4, filter: "bilinear" } as const;
  assert.deepEqual(greys(resizeImage(wide, { ...options, fit: "crop" })).slice(0, 4), [20, 30, 40, 50]);
  const padded = greys(resizeImage(wide, { ...options, fit: "pad" }));
  assert.deepEqual(padded.slice(0, 4), [255, 255, 255, 255]);
  assert.ok(padded.slice(4, 12).every((grey) => grey < 80) && padded.slice(12).every((grey) => grey === 255));
  assert.equal(resizeImage(wide, { ...options, fit: "squash" }).length, 48);
});

/** A PNG whose header says so much, of one grey bit a pixel, with no pixels behind it. */
async function hugePng(side: number): Promise<Uint8Array> {
  const png = (await file("one_bit.png")).slice();
  new DataView(png.buffer).setUint32(16, side);
  new DataView(png.buffer).setUint32(20, side);
  return png;
}

Deno.test("a picture of 30,000×30,000 pixels is refused before it is decoded, in less than 50 ms", async () => {
  const bytes = await hugePng(30_000), started = performance.now();
  await assert.rejects(() => decodeImage(bytes), {
    name: "ImageError",
    message: /it has 30000×30000 pixels, more than the 89,478,485 that are decoded/,
  });
  assert.ok(performance.now() - started < 50);
});

Deno.test("what is no picture, damaged, or of another format is refused by name", async () => {
  const refused = (bytes: Uint8Array, message: RegExp) =>
    assert.rejects(() => decodeImage(bytes), (error: Error) => {
      assert.ok(error instanceof ImageError, `${error}`);
      assert.match(error.message, message);
      return true;
    });
  await refused(new Uint8Array(), /this is no picture/);
  await refused(new TextEncoder().encode("<html>404</html>"), /this is no picture/);
  await refused(
    bytesOf("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"),
    /pictures in gif are not read: use jpeg, png, webp/,
  );
  for (const name of ["rgb.png", "baseline.jpg", "lossless.webp"]) {
    const bytes = await file(name);
    await refused(bytes.subarray(0, 14), /picture|header/);
    await refused(bytes.subarray(0, bytes.length - 20), /cannot be decoded/);
  }
  // A first frame far larger than the picture that it is of is not decoded.
  const moving = await file("moving.webp"), frame = new TextDecoder("latin1").decode(moving).indexOf("ANMF");
  moving.fill(0xff, frame + 14, frame + 20);
  await refused(moving, /its first frame lies outside of it/);
  assert.deepEqual(readImageInfo(await file("turned_6.jpg")), {
    format: "jpeg",
    width: 23,
    height: 17,
    orientation: 6,
  });
});

Deno.test("good pictures are decoded as before after many damaged ones", async () => {
  // As many as use up what a codec leaves behind of its stack and memory, if its instance were kept.
  for (const [name, place, times] of [["rgb.png", 200, 1000], ["baseline.jpg", 24, 1000]] as const) {
    const good = await file(name), bad = good.slice(), expected = await decodeImage(good);
    bad[place] ^= 0x55;
    for (let time = 0; time < times; time++) {
      await assert.rejects(() => decodeImage(bad), { name: "ImageError", message: /cannot be decoded/ });
    }
    assert.deepEqual(await decodeImage(good), expected);
  }
});
