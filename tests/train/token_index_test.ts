import assert from "node:assert/strict";
import fc from "fast-check";
import { indexTokens, maxSegments, SEGMENT_LENGTH } from "../../src/train/token_index.ts";

const cases = fc.integer({ min: 1, max: 40 }).chain((vocabulary) =>
  fc.tuple(fc.constant(vocabulary), fc.array(fc.nat(vocabulary - 1), { minLength: 1, maxLength: 700 }))
);

Deno.test("positions are sorted by token, and segments cut every token's list", () => {
  fc.assert(fc.property(cases, ([vocabulary, ids]) => {
    const { positions, segmentOffsets, tokenSegments } = indexTokens(Uint32Array.from(ids), vocabulary);
    const sorted = [...ids.keys()].sort((a, b) => ids[a] - ids[b] || a - b);
    assert.deepEqual([...positions], sorted);
    assert.equal(segmentOffsets.length, maxSegments(ids.length, vocabulary) + 1);
    for (let token = 0; token < vocabulary; token++) {
      const found: number[] = [];
      for (let segment = tokenSegments[token]; segment < tokenSegments[token + 1]; segment++) {
        const part = positions.subarray(segmentOffsets[segment], segmentOffsets[segment + 1]);
        assert.ok(part.length >= 1 && part.length <= SEGMENT_LENGTH);
        found.push(...part);
      }
      assert.deepEqual(found, sorted.filter((at) => ids[at] === token));
    }
  }));
});

Deno.test("one token alone fills several segments", () => {
  const { segmentOffsets, tokenSegments } = indexTokens(new Uint32Array(150).fill(1), 3);
  assert.deepEqual([...tokenSegments], [0, 0, 3, 3]);
  assert.deepEqual([...segmentOffsets.subarray(0, 4)], [0, 64, 128, 150]);
});

Deno.test("a token outside the vocabulary is refused", () => {
  assert.throws(() => indexTokens(Uint32Array.of(0, 7), 7), {
    name: "RangeError",
    message: "Token 7 lies outside the vocabulary of 7",
  });
});
