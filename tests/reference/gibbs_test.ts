import assert from "node:assert/strict";
import { Stream } from "../../src/random/philox.ts";
import { gibbs } from "./gibbs.ts";
import { batchLearnability, selectJointly } from "./joint_selection.ts";
import { randomArray } from "./random_array.ts";

const settings = { batch: 8, gain: 100, iterations: 200, seed: 1, stream: Stream.select };

Deno.test("Gibbs rises from a uniform set to at least the greedy joint level, and keeps b distinct members", () => {
  const scores = randomArray(1, 40 * 40);
  const { members, trace } = gibbs(scores, 40, settings);
  assert.equal(new Set(members).size, 8);
  const greedy = selectJointly(scores, 40, { batch: 8, chunks: 8, gain: 1 }, () => 0);
  const joint = batchLearnability(scores, 40, greedy);
  assert.ok(
    trace[0] < 0.5 * joint && trace[199] > 0.9 * joint,
    `${trace[0]} to ${trace[199]}, joint ${joint}`,
  );
});

Deno.test("Gibbs visits sets as often as exp(gain · sum of their sub-matrix) says", () => {
  const scores = randomArray(2, 4 * 4, 0.4),
    iterations = 20_000,
    sets = ["0,1", "0,2", "0,3", "1,2", "1,3", "2,3"];
  const weight = (set: string) => Math.exp(2 * batchLearnability(scores, 4, set.split(",").map(Number)));
  const total = sets.reduce((sum, set) => sum + weight(set), 0);
  const counts: Record<string, number> = {};
  // Every fifth of one chain: neighbours share a member, five redraws later they hardly remember it.
  for (let seed = 0; seed < iterations / 5; seed++) {
    const { members } = gibbs(scores, 4, { ...settings, batch: 2, gain: 1, iterations: 5, seed });
    const set = String(members.sort());
    counts[set] = (counts[set] ?? 0) + 1;
  }
  const chiSquare = sets.reduce((sum, set) => {
    const expected = iterations / 5 * weight(set) / total;
    return sum + ((counts[set] ?? 0) - expected) ** 2 / expected;
  }, 0);
  assert.ok(chiSquare < 20.5, `χ² = ${chiSquare}`); // 5 degrees of freedom: once in 1,000
});
