import assert from "node:assert/strict";
import fc from "fast-check";
import { normal, permutation, philox4x32, randomWord, Stream, uniform } from "../../src/random/philox.ts";

// Known answers of the authors' Random123 library, kat_vectors, philox4x32 10.
const ones = 0xffffffff;
const knownAnswers = [
  {
    counter: [0, 0, 0, 0],
    key: [0, 0],
    words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  },
  {
    counter: [ones, ones, ones, ones],
    key: [ones, ones],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], // digits of pi
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
] as const;

for (const { counter, key, words } of knownAnswers) {
  Deno.test(`Philox gives Random123's words for counter ${counter.map((word) => word.toString(16))}`, () => {
    assert.deepEqual(philox4x32(counter, key), [...words]);
  });
}

const seeds = fc.integer({ min: 0, max: 2 ** 53 - 1 });

Deno.test("a permutation holds every index once, and the same again for the same address", () => {
  fc.assert(fc.property(seeds, fc.nat(1000), fc.nat(300), (seed, step, size) => {
    const order = permutation(seed, Stream.shuffle, step, size);
    assert.deepEqual(order.toSorted(), Uint32Array.from({ length: size }, (_, index) => index));
    assert.deepEqual(permutation(seed, Stream.shuffle, step, size), order);
  }));
});

Deno.test("permutations of 3 are equally frequent", () => {
  const counts = new Map<string, number>();
  for (let step = 0; step < 6000; step++) {
    const order = String(permutation(1, Stream.shuffle, step, 3));
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 6);
  // Binomial(6000, 1/6) has a deviation of 29.
  for (const [order, count] of counts) assert.ok(Math.abs(count - 1000) < 150, `${order}: ${count}`);
});

Deno.test("uniform numbers lie strictly between 0 and 1", () => {
  fc.assert(fc.property(seeds, fc.nat(), fc.nat(), (seed, step, index) => {
    const value = uniform(seed, Stream.select, step, index);
    assert.ok(value > 0 && value < 1);
  }));
});

Deno.test("uniform and normal numbers have their mean and variance", () => {
  const size = 20000;
  const moments = (draw: (index: number) => number) => {
    const values = Array.from({ length: size }, (_, index) => draw(index));
    const mean = values.reduce((sum, value) => sum + value, 0) / size;
    return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size];
  };
  const [uniformMean, uniformVariance] = moments((index) => uniform(1, Stream.data, 0, index));
  assert.ok(Math.abs(uniformMean - 0.5) < 0.01 && Math.abs(uniformVariance - 1 / 12) < 0.005);
  const [normalMean, normalVariance] = moments((index) => normal(1, Stream.init, 0, index));
  assert.ok(Math.abs(normalMean) < 0.04 && Math.abs(normalVariance - 1) < 0.05);
});

Deno.test("seed, stream, step and index all change the word", () => {
  const word = randomWord(1, Stream.init, 2, 3);
  const others = [
    randomWord(2, Stream.init, 2, 3),
    randomWord(1 + 2 ** 32, Stream.init, 2, 3),
    randomWord(1, Stream.shuffle, 2, 3),
    randomWord(1, Stream.init, 3, 3),
    randomWord(1, Stream.init, 2, 4),
  ];
  assert.ok(!others.includes(word));
});
