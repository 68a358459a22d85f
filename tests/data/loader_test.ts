import { picturesInMemory } from "../../src/data/pictures.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { gatherBatch, SuperBatchLoader } from "../../src/data/loader.ts";

const sizes = fc.integer({ min: 1, max: 200 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    superBatch: fc.integer({ min: 1, max: size }),
    seed: fc.nat(),
    step: fc.nat({ max: 50 }),
  })
);

Deno.test("a super-batch holds distinct examples of the data set", () => {
  fc.assert(fc.property(sizes, ({ size, superBatch, seed, step }) => {
    const indices = new SuperBatchLoader(size, superBatch, seed).indices(step);
    assert.equal(indices.length, superBatch);
    assert.equal(new Set(indices).size, superBatch);
    assert.ok(indices.every((index) => index < size));
  }));
});

Deno.test("what a step draws depends on seed and step, not on what was asked before", () => {
  fc.assert(fc.property(sizes, fc.array(fc.nat({ max: 50 })), ({ size, superBatch, seed, step }, before) => {
    const loader = new SuperBatchLoader(size, superBatch, seed);
    for (const other of before) loader.indices(other);
    assert.deepEqual(loader.indices(step), new SuperBatchLoader(size, superBatch, seed).indices(step));
  }));
});

Deno.test("an epoch draws no example twice, and every example when it divides evenly", () => {
  fc.assert(fc.property(sizes, ({ size, superBatch, seed }) => {
    const loader = new SuperBatchLoader(size, superBatch, seed), batches = Math.floor(size / superBatch);
    const epoch = Array.from({ length: batches }, (_, step) => [...loader.indices(step)]).flat();
    assert.equal(new Set(epoch).size, batches * superBatch);
  }));
});

Deno.test("epochs and seeds have orders of their own", () => {
  const first = new SuperBatchLoader(100, 100, 1);
  assert.notDeepEqual(first.indices(0), first.indices(1));
  assert.notDeepEqual(first.indices(0), new SuperBatchLoader(100, 100, 2).indices(0));
});

Deno.test("what an epoch leaves out is drawn in later ones", () => {
  const loader = new SuperBatchLoader(10, 7, 3);
  const drawn = new Set(Array.from({ length: 20 }, (_, step) => [...loader.indices(step)]).flat());
  assert.equal(drawn.size, 10);
});

Deno.test("a super-batch larger than the data set is refused", () => {
  assert.throws(() => new SuperBatchLoader(10, 11, 1), /super-batches of 11 from 10 examples.*more data/);
  assert.throws(() => new SuperBatchLoader(10, 0, 1), RangeError);
  assert.throws(() => new SuperBatchLoader(10, 2.5, 1), RangeError);
});

Deno.test("a batch is gathered in the order of its indices", () => {
  const pixels = Uint8Array.from({ length: 4 * 3 }, (_, i) => i);
  const tokens = Uint32Array.from({ length: 4 * 2 }, (_, i) => 10 * i);
  const batch = gatherBatch(
    { pictures: picturesInMemory(pixels, pixels.length / 4), tokens, size: 4 },
    Uint32Array.of(3, 0, 3),
  );
  assert.deepEqual([...batch.pixels], [9, 10, 11, 0, 1, 2, 9, 10, 11]);
  assert.deepEqual([...batch.tokens], [60, 70, 0, 10, 60, 70]);
});
