import assert from "node:assert/strict";
import { crc32, inflateSync } from "node:zlib";
import { encodePng, tilePictures } from "../../src/report/png.ts";

/** Chunks of a PNG file, their checksums checked. */
function chunks(file: Uint8Array): Map<string, Uint8Array> {
  assert.deepEqual([...file.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const view = new DataView(file.buffer), found = new Map<string, Uint8Array>();
  for (let at = 8; at < file.length;) {
    const length = view.getUint32(at);
    const body = file.subarray(at + 4, at + 8 + length);
    assert.equal(view.getUint32(at + 8 + length), crc32(body));
    found.set(new TextDecoder().decode(body.subarray(0, 4)), body.subarray(4));
    at += 12 + length;
  }
  return found;
}

Deno.test("a PNG holds its size and exactly the pixels", () => {
  const pixels = Uint8Array.from({ length: 3 * 2 * 3 }, (_, at) => at * 7);
  const parts = chunks(encodePng({ width: 3, height: 2, pixels }));
  assert.deepEqual([...parts.keys()], ["IHDR", "IDAT", "IEND"]);
  assert.deepEqual([...parts.get("IHDR")!], [0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
  const rows = inflateSync(parts.get("IDAT")!);
  assert.deepEqual([...rows], [0, ...pixels.subarray(0, 9), 0, ...pixels.subarray(9)]);
});

Deno.test("tiles stand in rows on white, enlarged by whole pixels", () => {
  const red = Uint8Array.of(255, 0, 0), blue = Uint8Array.of(0, 0, 255), green = Uint8Array.of(0, 128, 0);
  const pictures = [red, blue, green, red];
  const { width, height, pixels } = tilePictures(pictures, 1, { columns: 3, scale: 2, gap: 1 });
  assert.deepEqual([width, height], [10, 7]);
  const at = (x: number, y: number) => [...pixels.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
  const white = [255, 255, 255];
  assert.deepEqual([at(0, 0), at(3, 1), at(9, 6), at(4, 4)], [white, white, white, white]);
  assert.deepEqual([at(1, 1), at(2, 2), at(1, 4), at(2, 5)], Array(4).fill([...red]));
  assert.deepEqual([at(4, 1), at(5, 2)], [[...blue], [...blue]]);
  assert.deepEqual([at(7, 1), at(8, 2)], [[...green], [...green]]);
});
