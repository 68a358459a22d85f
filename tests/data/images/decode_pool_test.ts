import assert from "node:assert/strict";
import { decodeImage } from "../../../src/data/images/decode.ts";
import { DecodePool } from "../../../src/data/images/decode_pool.ts";
import { resizeImage } from "../../../src/data/images/resize.ts";

const folder = new URL("../../fixtures/images/", import.meta.url);
const file = (name: string) => Deno.readFile(new URL(name, folder));
const preprocessing = { imageSize: 8, filter: "bicubic", fit: "squash" } as const;

Deno.test("pictures come back in their order from any number of workers, refused ones with the reason", async () => {
  const names = ["rgb.png", "baseline.jpg", "lossy.webp", "turned_6.jpg", "cmyk.jpg", "alpha.png"];
  const pictures = await Promise.all(
    [...names, ...names].map(async (name) => ({ name, image: await file(name) })),
  );
  pictures.splice(3, 0, { name: "broken", image: Uint8Array.of(1, 2, 3) });
  for (const workers of [1, 3]) {
    using pool = new DecodePool(preprocessing, { workers });
    const seen: string[] = [];
    for await (const [{ name, image }, decoded] of pool.decodeAll(pictures)) {
      seen.push(name);
      if (name === "broken") assert.match((decoded as { reason: string }).reason, /this is no picture/);
      else {
        const whole = await decodeImage(image);
        assert.deepEqual(decoded, {
          pixels: resizeImage(whole, preprocessing),
          width: whole.width,
          height: whole.height,
        });
      }
    }
    assert.deepEqual(seen, pictures.map(({ name }) => name));
  }
});

Deno.test("a picture that takes too long is refused, and the next is decoded by another worker", async () => {
  using pool = new DecodePool(preprocessing, { workers: 1, limitMs: 0 });
  assert.deepEqual(await pool.decode(await file("rgb.png")), { reason: "decoding it takes more than 0 ms" });
  using patient = new DecodePool(preprocessing, { workers: 1, maxPixels: 10 });
  assert.match(
    (await patient.decode(await file("rgb.png")) as { reason: string }).reason,
    /23×17 pixels, more than the 10/,
  );
});
