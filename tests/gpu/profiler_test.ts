import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { profileProgram } from "../../src/graph/profile.ts";
import { Program } from "../../src/graph/program.ts";
import { gelu } from "../../src/ops/gelu.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { sharesDevice, testDevice } from "./device.ts";

Deno.test({
  name: "a profile names every dispatch in order, and the larger one takes longer",
  ...sharesDevice,
  async fn() {
    const device = await testDevice();
    const graph = new Graph(device);
    const a = graph.constant("a", [256, 256], new Float32Array(256 * 256).fill(0.5));
    const small = graph.constant("small", [4, 4], new Float32Array(16));
    gelu(graph, small);
    matmul(graph, a, a);
    using program = await Program.compile(device, graph, "profiled");
    const buffers = device.counters.allocatedBytes;
    const { dispatches, milliseconds, count } = await profileProgram(device, program, { runs: 3 });
    assert.ok(dispatches, "the test adapter has timestamps");
    const times = dispatches;
    assert.equal(count, 2);
    assert.deepEqual(times.map(({ label }) => label), ["gelu.forward", "matmul_subgroup.forward"]);
    assert.ok(times.every(({ milliseconds }) => milliseconds >= 0));
    assert.ok(Math.abs(times[0].milliseconds + times[1].milliseconds - milliseconds) < 1e-9);
    assert.ok(times[1].milliseconds > times[0].milliseconds, JSON.stringify(times));
    assert.equal(device.counters.allocatedBytes, buffers, "the profiler frees its buffer");
  },
});
