import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import { adamW, adamWDefaults, type OptimizedRange, stepState } from "../../src/optim/adamw.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { adamW as expectedUpdate, clipFactor } from "../reference/adamw.ts";
import { assertClose } from "../reference/compare.ts";
import { randomArray } from "../reference/random_array.ts";

const GUARD = 0xdeadbeef;

/** Groups of parameters on the GPU, and what AdamW does with a gradient. */
async function optimizer(
  groups: readonly { size: number; decay: boolean }[],
  initial: readonly Float32Array[],
) {
  const device = await testDevice(), graph = new Graph();
  const buffers: GPUBuffer[] = [];
  const buffer = (label: string, words: number, data: Float32Array | Uint32Array) => {
    const content = new Uint32Array(words + 64).fill(GUARD);
    content.set(new Uint32Array(data.buffer, data.byteOffset, data.length));
    const made = device.createBuffer(label, content.byteLength);
    device.write(made, content);
    buffers.push(made);
    return { buffer: made, offsetBytes: 0, sizeBytes: words * 4 };
  };
  const ranges: OptimizedRange[] = groups.map(({ size, decay }, group) => ({
    size,
    decay,
    parameters: buffer("parameters", size, initial[group]),
    gradients: buffer("gradients", size, new Float32Array(size)),
    firstMoment: buffer("first moments", size, new Float32Array(size)),
    secondMoment: buffer("second moments", size, new Float32Array(size)),
  }));
  const step = graph.external("step", [4], buffer("step", 4, new Uint32Array(4)), { dtype: "u32" });
  const state = adamW(graph, ranges, step, adamWDefaults);
  const clip = buffer("clip", 4, new Float32Array(4));
  graph.place(state, clip);
  const program = await Program.compile(device, graph, "optimizer");
  const read = async ({ buffer }: { buffer: GPUBuffer }, words: number) => {
    const bytes = await device.read(buffer, 0, (words + 64) * 4);
    assert.ok(
      new Uint32Array(bytes, words * 4).every((word) => word === GUARD),
      `${buffer.label}: past the end`,
    );
    return new Float32Array(bytes, 0, words);
  };
  return {
    update(index: number, learningRate: number, gradients: readonly Float32Array[]) {
      device.write(step.storage.range!.buffer, stepState(index, learningRate, adamWDefaults));
      gradients.forEach((gradient, group) => device.write(ranges[group].gradients.buffer, gradient));
      device.submit(program.recording);
    },
    clip: () => read(clip, 4),
    parameters: () => Promise.all(ranges.map(({ parameters, size }) => read(parameters, size))),
    moments: () =>
      Promise.all(ranges.flatMap((r) => [read(r.firstMoment, r.size), read(r.secondMoment, r.size)])),
    [Symbol.dispose]() {
      program[Symbol.dispose]();
      for (const made of buffers) device.destroyBuffer(made);
    },
  };
}

// Gradient deviations give norms below and above the limit of 1.
for (
  const [sizes, deviation] of [[[4, 4], 0.1], [[12, 68], 0.01], [[68, 12], 10], [[5000, 70000], 1e-4], [[
    70004,
    1020,
  ], 1]] as const
) {
  const name = `five AdamW updates of ${sizes.join(" and ")} parameters, gradients around ${deviation}`;
  Deno.test({ name, ...sharesDevice }, async () => {
    const groups = sizes.map((size, group) => ({ size, decay: group === 0 }));
    const initial = sizes.map((size, group) => Float32Array.from(randomArray(group, size)));
    const states = initial.map((parameter) => ({
      parameter: Float64Array.from(parameter),
      firstMoment: new Float64Array(parameter.length),
      secondMoment: new Float64Array(parameter.length),
    }));
    using actual = await optimizer(groups, initial);
    for (let index = 1; index <= 5; index++) {
      const learningRate = 0.01 * index;
      const gradients = sizes.map((size, group) =>
        Float32Array.from(randomArray(10 * index + group, size, deviation))
      );
      const { norm, factor } = clipFactor(gradients, adamWDefaults.clipNorm);
      actual.update(index, learningRate, gradients);
      const [gpuNorm, gpuFactor, finite] = await actual.clip();
      // A sum of squares is a sum of positive numbers: its relative error is that of a few roundings.
      assertClose([gpuNorm / norm, gpuFactor / factor, finite], [1, 1, 1], { name: "clip", reduction: 16 });
      assert.equal(factor < 1, norm > 1);
      states.forEach((state, group) => {
        const weightDecay = groups[group].decay ? adamWDefaults.weightDecay : 0;
        const clipped = Float64Array.from(gradients[group], (value) => factor * value);
        expectedUpdate(state, clipped, index, { ...adamWDefaults, learningRate, weightDecay });
      });
    }
    const parameters = await actual.parameters(), moments = await actual.moments();
    states.forEach(({ parameter, firstMoment, secondMoment }, group) => {
      assertClose(parameters[group], parameter, { name: `parameters ${group}`, reduction: 5 });
      assertClose(moments[2 * group], firstMoment, { name: `first moments ${group}`, reduction: 5 });
      assertClose(moments[2 * group + 1], secondMoment, { name: `second moments ${group}`, reduction: 5 });
    });
  });
}

Deno.test({ name: "a norm of exactly the limit is clipped by 1 / (1 + 1e-6)", ...sharesDevice }, async () => {
  using actual = await optimizer([{ size: 4, decay: false }], [new Float32Array(4)]);
  actual.update(1, 0.01, [Float32Array.of(0, 1, 0, 0)]);
  const state = (await actual.clip()).subarray(0, 3);
  assertClose(state, [1, 1 / (1 + 1e-6), 1], { name: "clip", reduction: 1 }); // 1e-6 is twice the budget
});

Deno.test({ name: "decay acts on its own group only", ...sharesDevice }, async () => {
  const groups = [{ size: 4, decay: true }, { size: 4, decay: false }], ones = new Float32Array(4).fill(1);
  using actual = await optimizer(groups, [ones, ones]);
  actual.update(1, 0.5, [new Float32Array(4), new Float32Array(4)]);
  const [decayed, kept] = await actual.parameters();
  assertClose(decayed, new Float32Array(4).fill(1 - 0.5 * adamWDefaults.weightDecay), {
    name: "p",
    reduction: 1,
  });
  assert.deepEqual(kept, ones);
});

for (const [name, bad] of [["NaN", NaN], ["infinite", Infinity], ["overflowing", 1e30]] as const) {
  Deno.test(
    { name: `a gradient that is ${name} changes nothing and is reported`, ...sharesDevice },
    async () => {
      const groups = [{ size: 68, decay: true }, { size: 4, decay: false }];
      const initial = groups.map(({ size }, group) => Float32Array.from(randomArray(group, size)));
      const good = groups.map(({ size }, group) => Float32Array.from(randomArray(5 + group, size)));
      using actual = await optimizer(groups, initial);
      actual.update(1, 0.01, good);
      const before = [await actual.parameters(), await actual.moments()];
      assert.equal((await actual.clip())[2], 1);
      const [first, second] = good.map((gradient) => gradient.slice());
      first[64] = bad; // one element of one group stops both
      actual.update(2, 0.01, [first, second]);
      assert.equal((await actual.clip())[2], 0);
      assert.deepEqual([await actual.parameters(), await actual.moments()], before);
      actual.update(2, 0.01, good);
      assert.equal((await actual.clip())[2], 1);
      assert.notDeepEqual(await actual.parameters(), before[0]);
    },
  );
}
