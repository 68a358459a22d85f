import assert from "node:assert/strict";
import { decodeImage } from "../../../src/data/images/decode.ts";
import { differenceHash, hammingDistance, nearCopies } from "../../../src/data/images/perceptual_hash.ts";
import { resample } from "../../../src/data/images/resize.ts";

const folder = new URL("../../fixtures/images/", import.meta.url);
const decode = async (name: string) => await decodeImage(await Deno.readFile(new URL(name, folder)));

Deno.test("the hash says where a picture grows darker to the right", () => {
  const slope = (sign: number) => ({
    width: 9,
    height: 8,
    data: Uint8Array.from({ length: 9 * 8 * 3 }, (_, at) => 128 + sign * 10 * (Math.floor(at / 3) % 9)),
  });
  assert.equal(differenceHash(slope(1)), 0n);
  assert.equal(differenceHash(slope(-1)), 2n ** 64n - 1n);
});

Deno.test("recompressed and scaled copies are near, other pictures are not", async () => {
  const original = await decode("rgb.png"), hash = differenceHash(original);
  for (const copy of [await decode("subsampled.jpg"), resample(original, 46, 34, "bicubic")]) {
    assert.ok(hammingDistance(hash, differenceHash(copy)) <= 6);
  }
  assert.ok(hammingDistance(hash, differenceHash(await decode("alpha.png"))) > 12);
});

Deno.test("groups hold all that are linked by a few bits, and are found without comparing all", () => {
  const hashes = [0n, 0b111n, 0b111111n, 1n << 63n | 0xffff0000n, 0n, 0xffff0000n, 0xff00ff00ff00n];
  assert.deepEqual(nearCopies(hashes, 3), [[0, 1, 2, 4], [3, 5]]);
  assert.deepEqual(nearCopies(hashes, 0), [[0, 4]]);
  assert.deepEqual(nearCopies([]), []);
  // Against comparing all pairs, on hashes with a few bits flipped.
  let state = 1n;
  const word = () => state = (state * 6364136223846793005n + 1442695040888963407n) & (2n ** 64n - 1n);
  const many: bigint[] = [];
  for (let i = 0; i < 60; i++) {
    const base = word();
    many.push(base, base ^ 1n << (word() >> 58n), base ^ 1n << (word() >> 58n) ^ 1n << (word() >> 58n));
  }
  const groups = nearCopies(many, 2),
    groupOf = new Map(groups.flatMap((group, at) => group.map((i) => [i, at])));
  many.forEach((a, i) =>
    many.forEach((b, j) => {
      if (i !== j && hammingDistance(a, b) <= 2) assert.equal(groupOf.get(i), groupOf.get(j));
    })
  );
  assert.ok(groups.length >= 60 && groups.every((group) => group.length <= 6));
});
