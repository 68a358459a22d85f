/** Defaults of a run, ranges, and what must fit together. */
import assert from "node:assert/strict";
import { trainOptions, type TrainOptionsInput } from "../../src/config/train_options.ts";

const refused = (input: TrainOptionsInput, message: RegExp) =>
  assert.throws(() => trainOptions(input), { name: "RangeError", message });

Deno.test("a run without options is the default experiment", () => {
  const { steps, batch, filterRatio, chunks, gain, sampler, preset, compare } = trainOptions({});
  assert.deepEqual({ steps, batch, filterRatio, chunks, gain, sampler, preset, compare }, {
    steps: 320,
    batch: 64,
    filterRatio: 0.9,
    chunks: 8,
    gain: 100,
    sampler: "joint",
    preset: "mini",
    compare: null,
  });
});

Deno.test("options taken from a run give the same options", () => {
  const options = trainOptions({ steps: 3, compare: "uniform", patch: 4 });
  assert.deepEqual(trainOptions(JSON.parse(JSON.stringify(options))), options);
});

Deno.test("values out of range are refused with the value", () => {
  refused({ filterRatio: 1.2 }, /--filter-ratio must be 0 or more and below 1 \(it is 1\.2\)/);
  refused({ steps: 0 }, /--steps must be 1 or more \(it is 0\)/);
  refused({ batch: 1.5 }, /--batch must be a whole number \(it is 1\.5\)/);
  refused({ inDomain: 1.1 }, /--in-domain must be from 0 to 1/);
  refused({ learningRate: 0 }, /--learning-rate must be above 0/);
});

Deno.test("what does not fit together is refused with the way out", () => {
  refused({ chunks: 65 }, /--chunks is 65, more than the 64 examples of a batch: choose 1 to 64/);
  refused({ sampler: "uniform", compare: "uniform" }, /choose the other sampler/);
  refused({ poolSize: 639 }, /draws 640 examples a step, and the pool holds 639/);
  assert.equal(trainOptions({ sampler: "uniform", chunks: 65 }).chunks, 65, "uniform draws in no chunks");
  assert.equal(trainOptions({ poolSize: 640 }).poolSize, 640);
});
