/** A share of each selection drawn by chance alone, the rest beside it. */
import assert from "node:assert/strict";
import { selectExamples } from "../../src/selection/select.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { sigmoidScores } from "../reference/selection.ts";
import { models, scored } from "./pairs.ts";

Deno.test(
  { name: "a uniform share is drawn first, by chance alone, and the others beside it", ...sharesDevice },
  async () => {
    const device = await testDevice(), examples = 100, host = models(3, examples);
    const options = { filterRatio: 0.8, chunks: 3, gain: 1e4, seed: 4, uniformShare: 0.25 };
    const oracle = sigmoidScores([[1, scored(host.learner)], [-1, scored(host.reference)]], examples);
    const { indices, conditionalScores, entropies } = await selectExamples(device, host, options);
    assert.equal(new Set(indices).size, 20);
    assert.equal(entropies.length, 4);
    assert.ok(Math.abs(entropies[0] - Math.log(examples)) < 1e-4, "the entropy of a uniform draw");
    assert.deepEqual(conditionalScores!.slice(0, 5), [0, 0, 0, 0, 0]);
    // At such a gain the chunks are the best beside what came before.
    let first = 5;
    for (const members of [5, 5, 5]) {
      const chosen = indices.slice(0, first), cond = oracle.conditional(chosen);
      const best = Array.from({ length: examples }, (_, i) => i).filter((i) => !chosen.includes(i))
        .toSorted((a, b) => cond[b] - cond[a]).slice(0, members);
      assert.deepEqual(indices.slice(first, first + members).toSorted(), best.toSorted());
      first += members;
    }
    const counts = new Array(examples).fill(0), seeds = 80;
    for (let seed = 0; seed < seeds; seed++) {
      const drawn = (await selectExamples(device, host, { ...options, seed })).indices.slice(0, 5);
      for (const index of drawn) counts[index]++;
    }
    const expected = seeds * 5 / examples;
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    assert.ok(chi < 150, `χ² of ${chi} at 99 degrees of freedom`); // beyond it 0.07 % of the time
    for (const uniformShare of [-0.1, 0.9, NaN]) {
      await assert.rejects(selectExamples(device, host, { ...options, uniformShare }), {
        name: "RangeError",
        message: /uniformly and the others in 3 chunks/,
      });
    }
  },
);
