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

Deno.test("a picture in a larger buffer is decoded, and the caller keeps it", async () => {
  using pool = new DecodePool(preprocessing, { workers: 1 });
  const bytes = await file("rgb.png"), shard = new Uint8Array(bytes.length + 600);
  shard.set(bytes, 512);
  const image = shard.subarray(512, 512 + bytes.length);
  assert.deepEqual(await pool.decode(image), await pool.decode(bytes));
  assert.deepEqual(image, bytes);
});

Deno.test("a worker that dies of a picture is replaced, and the picture refused", async () => {
  using pool = new DecodePool(preprocessing, { workers: 1 });
  // What is no option of a resize is a defect to the worker, which it does not outlive.
  using dying = new DecodePool({ ...preprocessing, filter: "none" as "bicubic" }, { workers: 1 });
  const image = await file("rgb.png");
  // Of each worker that dies only the picture in work is refused: what waits behind it is handed to the next.
  const refused = await Promise.all([dying.decode(image), dying.decode(image), dying.decode(image)]);
  for (const result of refused) {
    assert.match((result as { reason: string }).reason, /decoding it ended its worker/);
  }
  assert.ok("pixels" in await pool.decode(image));
});

Deno.test("a pool that ends refuses what it has not decoded, at once", async () => {
  const pool = new DecodePool(preprocessing, { workers: 1 }), image = await file("rgb.png");
  const waiting = [pool.decode(image), pool.decode(image), pool.decode(image)];
  pool[Symbol.dispose]();
  waiting.push(pool.decode(image));
  for (const result of waiting) {
    assert.deepEqual(await result, { reason: "decoding ended before it" });
  }
});
