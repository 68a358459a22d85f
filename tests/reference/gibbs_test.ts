import assert from "node:assert/strict";
import { Stream } from "../../src/random/philox.ts";
import { gibbs } from "./gibbs.ts";
import { batchLearnability } from "./joint_selection.ts";
import { randomArray } from "./random_array.ts";

const settings = { batch: 8, gain: 100, iterations: 200, seed: 1, stream: Stream.select };

Deno.test("at high gain Gibbs climbs from a uniform set to one that no exchange of a member improves", () => {
  const scores = randomArray(1, 40 * 40);
  const { members, trace } = gibbs(scores, 40, settings);
  assert.equal(new Set(members).size, 8);
  const level = trace[199];
  assert.ok(level > trace[0] + 3, `${trace[0]} to ${level}`);
  for (const dropped of members) {
    for (let other = 0; other < 40; other++) {
      if (members.includes(other)) continue;
      const exchanged = members.map((member) => member === dropped ? other : member);
      const gained = batchLearnability(scores, 40, exchanged) - level;
      assert.ok(gained < 0.02, `${other} for ${dropped} gains ${gained}`); // noise is a few hundredths of 1 / b
    }
  }
});

Deno.test("Gibbs visits sets as often as exp(gain · sum of their sub-matrix) says", () => {
  const scores = randomArray(2, 4 * 4, 0.4), chains = 4000, sets = ["0,1", "0,2", "0,3", "1,2", "1,3", "2,3"];
  const weight = (set: string) => Math.exp(2 * batchLearnability(scores, 4, set.split(",").map(Number)));
  const total = sets.reduce((sum, set) => sum + weight(set), 0);
  const counts = new Map<string, number>();
  for (let seed = 0; seed < chains; seed++) {
    const { members } = gibbs(scores, 4, { ...settings, batch: 2, gain: 1, iterations: 8, seed });
    const set = String(members.sort());
    counts.set(set, (counts.get(set) ?? 0) + 1);
  }
  const chiSquare = (expected: (set: string) => number) =>
    sets.reduce((sum, set) => sum + ((counts.get(set) ?? 0) - expected(set)) ** 2 / expected(set), 0);
  const statistic = chiSquare((set) => chains * weight(set) / total);
  assert.ok(statistic < 20.5, `χ² = ${statistic}`); // 5 degrees of freedom: exceeded once in 1,000
  assert.ok(chiSquare(() => chains / 6) > 20.5, "a uniform draw must be told apart");
});
