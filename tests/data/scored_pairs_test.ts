import assert from "node:assert/strict";
import { decodeScored, encodeScored, FORMAT, type ScoredPairs } from "../../src/data/scored_pairs.ts";
import { randomArray } from "../reference/random_array.ts";

const n = 1203, width = 4; // more rows than a first row group holds
const pairs: ScoredPairs = {
  keys: Array.from({ length: n }, (_, at) => `${at}`),
  captions: Array.from({ length: n }, (_, at) => at % 3 ? `caption ${at}` : `"quoted", 多, \n ${at}`),
  scores: Float32Array.from(randomArray(1, n)),
  image: Float32Array.from(randomArray(2, n * width)),
  text: Float32Array.from(randomArray(3, n * width)),
  header: { format: FORMAT, width, logitScale: 12.5, logitBias: -3, data: "abc" },
};

for (const path of ["a.parquet", "a.jsonl"]) {
  Deno.test(`scored pairs come back from ${path} bit by bit`, async () => {
    const bytes = new Uint8Array(encodeScored(pairs, path));
    assert.deepEqual(await decodeScored(bytes, path), pairs);
  });

  Deno.test(`a damaged or foreign ${path} is refused by name`, async () => {
    const bytes = new Uint8Array(encodeScored(pairs, path));
    await assert.rejects(decodeScored(bytes.slice(0, bytes.length / 2), path), {
      name: "TypeError",
      message: new RegExp(`^${path}`),
    });
    await assert.rejects(decodeScored(new TextEncoder().encode('{"a":1}\n'), path), {
      name: "TypeError",
      message: new RegExp(`^${path}`),
    });
    const bad = { ...pairs, scores: pairs.scores.map((score, at) => at === 7 ? NaN : score) };
    await assert.rejects(decodeScored(new Uint8Array(encodeScored(bad, path)), path), {
      name: "TypeError",
      message: /pair 7 does not hold key/,
    });
  });
}
