import assert from "node:assert/strict";
import { Device } from "../../src/gpu/device.ts";
import { measurePeaks } from "../../src/gpu/peaks.ts";
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

Deno.test({
  name: "more dispatches than a query set holds are timed in parts, and cost the CPU little",
  ...sharesDevice,
}, async () => {
  const device = await testDevice(), graph = new Graph(device);
  const x = graph.constant("x", [4, 4], new Float32Array(16));
  let y = x;
  for (let at = 0; at < 2100; at++) y = gelu(graph, y);
  using program = await Program.compile(device, graph, "long");
  const { allocatedBytes } = device.counters;
  const { dispatches, milliseconds, encodeMicroseconds, submitMicroseconds } = await profileProgram(
    device,
    program,
    { runs: 1 },
  );
  assert.equal(dispatches!.length, 2100);
  const sum = dispatches!.reduce((total, dispatch) => total + dispatch.milliseconds, 0);
  assert.ok(Math.abs(sum / milliseconds - 1) < 1e-9);
  assert.ok(dispatches!.filter((dispatch) => dispatch.milliseconds > 0).length > 2000);
  assert.equal(device.counters.allocatedBytes, allocatedBytes);
  // Measured at 1 to 2 µs; a busy machine gets room.
  assert.ok(encodeMicroseconds > 0 && encodeMicroseconds < 20, `${encodeMicroseconds} µs a dispatch`);
  assert.ok(submitMicroseconds > 0);
});

Deno.test("without timestamps the whole is timed alone", async () => {
  using device = await Device.open({ without: ["timestamp-query"] });
  const graph = new Graph(device);
  gelu(graph, graph.constant("x", [4, 4], new Float32Array(16)));
  using program = await Program.compile(device, graph, "blind");
  const { dispatches, milliseconds, count } = await profileProgram(device, program, { runs: 2 });
  assert.equal(dispatches, null);
  assert.ok(milliseconds > 0);
  assert.equal(count, 1);
});

Deno.test(
  { name: "the adapter's roofs are plausible: no matrix product is above them", ...sharesDevice },
  async () => {
    const device = await testDevice(), peaks = await measurePeaks(device);
    for (const [name, value] of Object.entries(peaks)) assert.ok(value > 0 && Number.isFinite(value), name);
    assert.equal(
      peaks.copyBytesPerSecond,
      Math.max(peaks.bufferCopyBytesPerSecond, peaks.kernelCopyBytesPerSecond),
    );
    const graph = new Graph(device), size = 256;
    const a = graph.constant("a", [size, size], new Float32Array(size * size).fill(0.5));
    matmul(graph, a, a);
    using program = await Program.compile(device, graph, "product");
    const { flops, milliseconds } = await profileProgram(device, program, { runs: 8 });
    const rate = flops / milliseconds * 1000;
    assert.ok(rate < 1.2 * peaks.flopsPerSecond, `${rate} FLOP/s, peak ${peaks.flopsPerSecond}`);
  },
);
