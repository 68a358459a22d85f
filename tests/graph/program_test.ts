import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { selfAttention } from "../../src/ops/attention.ts";
import { gelu } from "../../src/ops/gelu.ts";
import { layerNorm } from "../../src/ops/layer_norm.ts";
import { linear } from "../../src/ops/matmul.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { type Input, randomInput, runOp } from "../ops/run_graph.ts";

const WIDTH = 16, TOKENS = 9;
const inputs: Record<string, Input & { data: Float32Array }> = {
  x: randomInput(1, [2 * TOKENS, WIDTH]),
  scale: randomInput(2, [WIDTH]),
  shift: randomInput(3, [WIDTH]),
  qkv: randomInput(4, [WIDTH, 3 * WIDTH], 0.25),
  qkvBias: randomInput(5, [3 * WIDTH]),
  out: randomInput(6, [WIDTH, WIDTH], 0.25),
};
const seed = randomInput(7, [2 * TOKENS, WIDTH]).data;

/** Two blocks of a transformer that share their weights, so that every gradient is a sum. */
function blocks(graph: Graph, t: { readonly [name: string]: Tensor }): Tensor {
  let x = t.x;
  for (let depth = 0; depth < 2; depth++) {
    const normed = layerNorm(graph, x, t.scale, t.shift);
    const mixed = selfAttention(graph, linear(graph, normed, t.qkv, t.qkvBias), { examples: 2, heads: 2 });
    x = linear(graph, gelu(graph, mixed), t.out, t.shift, x);
  }
  return x;
}

/** Output and gradients by a program with planned memory, after `runs` submits. */
async function planned(runs: number) {
  const device = await testDevice(), graph = new Graph(await testDevice());
  const tensors: Record<string, Tensor> = {};
  const make = (label: string, size: number) => {
    const buffer = device.createBuffer(label, size * 4);
    return { buffer, offsetBytes: 0, sizeBytes: size * 4 };
  };
  for (const [name, { shape, data }] of Object.entries(inputs)) {
    const range = make(name, data.length);
    device.write(range.buffer, data);
    tensors[name] = graph.external(name, shape, range, { differentiable: true });
  }
  const output = blocks(graph, tensors);
  graph.backward([[output, graph.constant("seed", output.shape, seed)]]);
  const results: Record<string, Tensor> = { output };
  for (const [name, tensor] of Object.entries(tensors)) results[name] = graph.gradient(tensor)!;
  for (const [name, tensor] of Object.entries(results)) graph.place(tensor, make(name, tensor.size));
  const program = await Program.compile(device, graph, "blocks");
  const before = { ...device.counters };
  for (let run = 0; run < runs; run++) device.submit(program.recording);
  const after = { ...device.counters };
  const values: Record<string, Float32Array> = {};
  for (const [name, { storage, sizeBytes }] of Object.entries(results)) {
    values[name] = new Float32Array(await device.read(storage.range!.buffer, 0, sizeBytes));
  }
  program[Symbol.dispose]();
  for (const { storage } of [...Object.values(tensors), ...Object.values(results)]) {
    device.destroyBuffer(storage.range!.buffer);
  }
  return { values, plan: program.plan, program, before, after };
}

Deno.test(
  { name: "shared memory changes no bit of the output and the gradients", ...sharesDevice },
  async () => {
    const { values, plan } = await planned(1);
    const unshared = await runOp(inputs, blocks, () => seed);
    assert.ok(plan.plannedBytes < 0.7 * plan.unsharedBytes);
    assert.deepEqual(values.output, unshared.output);
    assert.ok(values.output.every(Number.isFinite));
    for (const name of Object.keys(inputs)) {
      assert.deepEqual(
        values[name],
        unshared.gradients.get(name),
        name,
      );
    }
  },
);

Deno.test(
  { name: "the same program gives the same bits, compiled anew or run again", ...sharesDevice },
  async () => {
    const [first, again] = [await planned(1), await planned(3)];
    assert.deepEqual(again.values, first.values);
  },
);

Deno.test(
  { name: "a run is one submit, builds nothing, and a program frees what it took", ...sharesDevice },
  async () => {
    const device = await testDevice(), allocated = device.counters.allocatedBytes;
    const { program, before, after } = await planned(5);
    assert.deepEqual(after, {
      ...before,
      submits: before.submits + 5,
      dispatches: before.dispatches + 5 * program.dispatches.length,
    });
    assert.equal(device.counters.allocatedBytes, allocated);
  },
);

Deno.test(
  { name: "the FLOPs of a program are those of its products, by phase", ...sharesDevice },
  async () => {
    const device = await testDevice(), graph = new Graph(await testDevice());
    const x = graph.constant("x", [3, 5], new Float32Array(15)),
      weight = graph.constant("w", [5, 7], new Float32Array(35));
    const bias = graph.constant("bias", [7], new Float32Array(7));
    const y = graph.phase("score", () => linear(graph, x, weight, bias));
    graph.phase(
      "train",
      () =>
        selfAttention(graph, graph.constant("qkv", [6, 24], new Float32Array(144)), {
          examples: 2,
          heads: 1,
        }),
    );
    gelu(graph, y);
    using program = await Program.compile(device, graph, "flops");
    assert.equal(program.flops("score"), 2 * 3 * 5 * 7);
    assert.equal(program.flops("train"), 4 * 2 * 3 * 3 * 8);
    assert.equal(program.flops(), 210 + 576);
  },
);
