import assert from "node:assert/strict";
import { packTar } from "modern-tar";
import { loadPairs } from "../../src/data/load_pairs.ts";
import {
  chainPictures,
  pickPictures,
  type Pictures,
  PicturesFile,
  picturesInMemory,
} from "../../src/data/pictures.ts";

const LENGTH = 12;
/** n pictures whose bytes are all different as long as they can be. */
const bytes = (n: number, from = 0) =>
  Uint8Array.from({ length: n * LENGTH }, (_, at) => (from * LENGTH + at) % 251);

/** Whether pictures hold these bytes, however they are asked. */
function holds(pictures: Pictures, pixels: Uint8Array): void {
  const n = pixels.length / LENGTH, one = (at: number) => pixels.subarray(at * LENGTH, (at + 1) * LENGTH);
  assert.deepEqual([pictures.size, pictures.length], [n, LENGTH]);
  assert.deepEqual(pictures.slice(0, n), pixels);
  assert.deepEqual(pictures.slice(1, 2), pixels.subarray(LENGTH, 3 * LENGTH));
  assert.deepEqual(
    pictures.gather([n - 1, 0, n - 1]),
    Uint8Array.of(...one(n - 1), ...one(0), ...one(n - 1)),
  );
  assert.equal(pictures.gather([]).length, 0);
}

Deno.test("pictures are the same in memory, in a file, picked and chained", async () => {
  const folder = await Deno.makeTempDir();
  try {
    holds(picturesInMemory(bytes(5), LENGTH), bytes(5));
    using file = await PicturesFile.create(folder, LENGTH);
    file.append(bytes(2));
    file.append(bytes(3, 2));
    holds(file, bytes(5));
    assert.deepEqual([...Deno.readDirSync(folder)], [], "the file has no name");
    assert.throws(() => file.slice(5, 1), /no picture 5 among 5/);
    file.append(bytes(1, 5));
    holds(file, bytes(6));
    holds(
      pickPictures(file, [4, 1, 0]),
      Uint8Array.of(...file.slice(4, 1), ...file.slice(1, 1), ...file.slice(0, 1)),
    );
    holds(chainPictures(picturesInMemory(bytes(2), LENGTH), pickPictures(file, [2, 3, 4])), bytes(5));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a folder that cannot be made is named", async () => {
  const file = await Deno.makeTempFile();
  await assert.rejects(() => PicturesFile.create(`${file}/below`, LENGTH), {
    name: "FileError",
    message: /below/,
  });
  await Deno.remove(file);
});

Deno.test("a set is the same in memory and beyond it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const png = await Deno.readFile(new URL("../fixtures/images/rgb.png", import.meta.url));
    const entries = Array.from({ length: 20 }, (_, at) => [
      { header: { name: `${at}.png`, size: png.length, type: "file" as const }, body: png },
      { header: { name: `${at}.txt`, size: 2, type: "file" as const }, body: `${at + 10}` },
    ]).flat();
    await Deno.writeFile(`${folder}/a.tar`, await packTar(entries));
    const preprocessing = { imageSize: 8, filter: "bicubic", fit: "squash" } as const;
    const load = (memoryBytes?: number) =>
      loadPairs(`${folder}/a.tar`, preprocessing, { memoryBytes, folder, block: 6 });
    const inMemory = await load(), beyond = await load(8 * 8 * 3 * 7);
    using file = beyond.pictures as PicturesFile;
    assert.ok(file instanceof PicturesFile && !(inMemory.pictures instanceof PicturesFile));
    assert.deepEqual([beyond.hash, beyond.captions, beyond.keys], [
      inMemory.hash,
      inMemory.captions,
      inMemory.keys,
    ]);
    assert.deepEqual(file.slice(0, 20), inMemory.pictures.slice(0, 20));
    assert.equal(beyond.captions[3], "13");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
