import assert from "node:assert/strict";
import { concatenate, pairDataset } from "../../src/data/dataset.ts";

const pair = () => ({
  name: "own",
  imageSize: 2,
  pixels: Uint8Array.from({ length: 24 }, (_, i) => i),
  captions: ["a", "b"],
});

Deno.test("a data set from pixels and captions alone counts as clean and in-domain", async () => {
  const data = await pairDataset(pair());
  assert.equal(data.size, 2);
  assert.deepEqual(data.sources, ["own"]);
  assert.deepEqual([...data.concept], [-1, -1]);
  assert.deepEqual([...data.inDomain, ...data.clean], [1, 1, 1, 1]);
  assert.match(data.hash, /^[0-9a-f]{64}$/);
});

Deno.test("the hash tells pixels and captions, and where one caption ends", async () => {
  const { hash } = await pairDataset(pair());
  assert.equal((await pairDataset(pair())).hash, hash);
  const pixels = pair().pixels.map((value, i) => i === 23 ? value ^ 1 : value);
  for (const change of [{ pixels }, { captions: ["a", "c"] }, { captions: ["ab", ""] }]) {
    assert.notEqual((await pairDataset({ ...pair(), ...change })).hash, hash, JSON.stringify(change));
  }
});

Deno.test("arrays that do not fit are refused with both lengths", async () => {
  const refused = (change: object, message: RegExp, error: typeof Error) =>
    assert.rejects(
      () => pairDataset({ ...pair(), ...change }),
      (thrown: Error) => thrown instanceof error && message.test(thrown.message),
    );
  await refused({ pixels: new Uint8Array(23) }, /pixels has 23 elements, expected 24/, TypeError);
  await refused({ concept: new Int32Array(3) }, /concept has 3 elements, expected 2/, TypeError);
  await refused({ clean: new Uint8Array(1) }, /clean has 1 elements, expected 2/, TypeError);
  await refused({ captions: [], pixels: new Uint8Array() }, /"own" is empty/, RangeError);
});

Deno.test("data sets are put one behind the other, with one list of sources", async () => {
  const one = {
    ...await pairDataset({ ...pair(), sources: ["x", "y"], source: Uint8Array.of(1, 0) }),
    tokens: Uint32Array.of(1, 2, 3, 4),
  };
  const other = {
    ...await pairDataset({
      ...pair(),
      captions: ["c", "d"],
      sources: ["z", "x"],
      source: Uint8Array.of(0, 1),
    }),
    tokens: Uint32Array.of(5, 6, 7, 8),
  };
  const both = await concatenate(one, other);
  assert.equal(both.size, 4);
  assert.deepEqual(both.captions, [...one.captions, "c", "d"]);
  assert.deepEqual(Array.from(both.source, (at) => both.sources[at]), ["y", "x", "z", "x"]);
  assert.deepEqual([...both.tokens], [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(
    both.pictures.slice(0, 4),
    Uint8Array.of(...one.pictures.slice(0, 2), ...other.pictures.slice(0, 2)),
  );
  await assert.rejects(
    () => concatenate(one, { ...other, tokens: Uint32Array.of(1, 2) }),
    /has pictures of 2 pixels and 2 tokens, "own" of 2 and 1: prepare both alike/,
  );
});
