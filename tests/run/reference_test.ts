import assert from "node:assert/strict";
import type { KeptFiles } from "../../src/data/cache.ts";
import { pairDataset } from "../../src/data/dataset.ts";
import {
  contentKey,
  type EmbeddingSet,
  keepReference,
  keptReference,
  readEmbeddings,
  referenceEmbeddings,
  writeEmbeddings,
} from "../../src/run/reference.ts";
import { SafetensorsError, type SafetensorsTensor, writeSafetensors } from "../../src/storage/safetensors.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { randomPairs, tinyModel } from "../train/tiny.ts";

const embeddings: EmbeddingSet = {
  image: Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0),
  text: Float32Array.of(0, 0, 1, 0, 0, 0, 0, 1),
  width: 4,
  logitScale: 10,
  logitBias: -5,
};

/** Kept files in memory. */
function memory(): KeptFiles & { readonly files: Map<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>();
  return {
    files,
    read: (key) => Promise.resolve(files.get(key) ?? null),
    write: (key, bytes) => Promise.resolve(void files.set(key, bytes)),
  };
}

Deno.test("embeddings are read as they were written", () => {
  assert.deepEqual(readEmbeddings(writeEmbeddings(embeddings), "e"), embeddings);
});

Deno.test("embedding files with a tensor that does not fit are refused", () => {
  const matrix = (rows: number, columns: number): SafetensorsTensor => (
    { dtype: "F32", shape: [rows, columns], data: new Float32Array(rows * columns) }
  );
  const scalar: SafetensorsTensor = { dtype: "F32", shape: [1], data: Float32Array.of(3) };
  const good = { image: matrix(2, 4), text: matrix(2, 4), logit_scale: scalar, logit_bias: scalar };
  const read = (tensors: Record<string, SafetensorsTensor>) =>
    readEmbeddings(writeSafetensors(new Map(Object.entries(tensors))), "l.safetensors");
  assert.equal(read(good).logitScale, 3, "scalars may have the shape [1]");
  const { text: _, ...withoutText } = good;
  const bad: [Record<string, SafetensorsTensor>, RegExp][] = [
    [withoutText, /l\.safetensors: "text" is missing, expected F32 \[B, D\]/],
    [{ ...good, text: matrix(3, 4) }, /"text" is \[3,4\], expected \[2,4\] as "image"/],
    [{ ...good, image: scalar }, /"image" is F32 \[1\], expected F32 \[B, D\]/],
    [{ ...good, logit_scale: matrix(1, 2) }, /"logit_scale" is F32 \[1,2\], expected one F32 number/],
    [
      { ...good, logit_bias: { dtype: "F64", shape: [], data: Float64Array.of(1) } },
      /"logit_bias" is F64 \[\], expected one F32 number/,
    ],
  ];
  for (const [tensors, message] of bad) assert.throws(() => read(tensors), { name: "TypeError", message });
  const bytes = writeEmbeddings(embeddings);
  assert.throws(() => readEmbeddings(bytes.subarray(0, bytes.length - 1), "l.safetensors"), SafetensorsError);
});

Deno.test("a content key depends on the content alone", async () => {
  const key = await contentKey({ a: 1, b: [2, "x"] });
  assert.match(key, /^[0-9a-f]{16}$/);
  assert.equal(key, "454597f51f0e5988", "keys of earlier runs stay valid");
  assert.equal(await contentKey({ a: 1, b: [2, "x"] }), key);
  assert.notEqual(await contentKey({ a: 1, b: [2, "y"] }), key);
});

Deno.test({ name: "a kept reference comes back, a damaged one does not", ...sharesDevice }, async () => {
  const device = await testDevice(), kept = memory();
  using model = tinyModel(device);
  assert.equal(await keptReference(device, kept, "k"), null);
  await keepReference(kept, "k", model);
  using loaded = await keptReference(device, kept, "k");
  assert.deepEqual(await loaded!.save(), await model.save());
  const [[name, bytes]] = kept.files;
  kept.files.set(name, bytes.subarray(0, bytes.length / 2));
  assert.equal(await keptReference(device, kept, "k"), null);
});

Deno.test(
  {
    name: "the pool is embedded once, and a part of it again when its file is missing or damaged",
    ...sharesDevice,
  },
  async () => {
    const device = await testDevice(), kept = memory();
    using model = tinyModel(device);
    const { pixels, tokens } = randomPairs(10);
    const captions = Array.from({ length: 10 }, (_, i) => `caption ${i}`);
    const pool = {
      ...await pairDataset({ name: "pool", imageSize: 8, pixels: pixels.slice(), captions }),
      tokens,
    };
    const progress: [number, number][] = [];
    const embed = (patchSize?: number, key = "k") =>
      referenceEmbeddings(model, pool, kept, key, {
        patchSize,
        part: 6,
        onProgress: (done, total) => progress.push([done, total]),
      });
    const first = await embed();
    assert.equal(first.computed, 10);
    assert.deepEqual(progress, [[6, 20], [12, 20], [16, 20], [20, 20]]);
    assert.deepEqual(first.embeddings.image, await model.embedImages(pixels));
    assert.deepEqual(first.embeddings.text, await model.embedTexts(tokens));
    const again = await embed();
    assert.equal(again.computed, 0);
    assert.deepEqual(again.embeddings, first.embeddings);
    const [[name, bytes], [last]] = kept.files;
    kept.files.set(name, bytes.subarray(0, 100));
    const mended = await embed();
    assert.equal(mended.computed, 6);
    assert.deepEqual(mended.embeddings, first.embeddings);
    kept.files.delete(last);
    assert.equal((await embed()).computed, 4, "an embedding that was stopped goes on where it was");
    const fine = await embed(2, "k at patch size 2");
    assert.deepEqual(fine.embeddings.image, await model.embedImages(pixels, { patchSize: 2 }));
  },
);
