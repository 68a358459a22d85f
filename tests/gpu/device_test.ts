import assert from "node:assert/strict";
import { alignBinding } from "../../src/gpu/device.ts";
import type { Shader } from "../../src/gpu/shader.ts";
import { Graph } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import { gelu } from "../../src/ops/gelu.ts";
import { sharesDevice, testDevice } from "./device.ts";

Deno.test({ name: "the adapter tells what it is", ...sharesDevice }, async () => {
  const { adapter, maxBindingBytes } = await testDevice();
  assert.ok(adapter.description.length > 0);
  assert.ok(adapter.limits.maxStorageBuffersPerShaderStage >= 8);
  assert.ok(maxBindingBytes >= 128 * 2 ** 20);
});

Deno.test({ name: "what is written is read back, at any length and offset", ...sharesDevice }, async () => {
  const device = await testDevice(), buffer = device.createBuffer("round trip", 24);
  device.write(buffer, Uint8Array.of(1, 2, 3, 4, 5));
  device.write(buffer, Uint32Array.of(7, 8, 9).subarray(1), 8);
  const bytes = new Uint8Array(await device.read(buffer, 0, 24));
  assert.deepEqual([...bytes], [1, 2, 3, 4, 5, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  device.destroyBuffer(buffer);
});

Deno.test(
  { name: "buffers and read-backs are counted, and freeing twice counts once", ...sharesDevice },
  async () => {
    const device = await testDevice(), before = { ...device.counters };
    const buffer = device.createBuffer("counted", 100);
    assert.equal(device.counters.buffersCreated, before.buffersCreated + 1);
    assert.equal(device.counters.allocatedBytes, before.allocatedBytes + 112); // rounded to 16
    await device.read(buffer, 0, 4);
    assert.equal(device.counters.readBacks, before.readBacks + 1);
    device.destroyBuffer(buffer);
    device.destroyBuffer(buffer);
    assert.equal(device.counters.allocatedBytes, before.allocatedBytes);
  },
);

Deno.test({ name: "a buffer that no binding can span is refused by name", ...sharesDevice }, async () => {
  const device = await testDevice();
  const sizeBytes = device.maxBindingBytes + 1;
  assert.throws(() => device.createBuffer("scores", sizeBytes), {
    name: "RangeError",
    message: new RegExp(`"scores".*${sizeBytes} bytes.*at most ${device.maxBindingBytes}`),
  });
});

Deno.test({
  name: "a program with a tensor that no binding can span is refused and leaks nothing",
  ...sharesDevice,
}, async () => {
  const device = await testDevice(), before = device.counters.allocatedBytes;
  const graph = new Graph(), elements = device.maxBindingBytes / 4 + 1;
  gelu(graph, graph.constant("small", [4], new Float32Array(4)));
  const range = { buffer: {} as GPUBuffer, offsetBytes: 0, sizeBytes: 4 * elements };
  gelu(graph, graph.external("giant", [elements], range));
  await assert.rejects(Program.compile(device, graph, "too large"), {
    name: "RangeError",
    message: /"gelu giant"/,
  });
  assert.equal(device.counters.allocatedBytes, before);
});

Deno.test(
  { name: "WGSL that the GPU refuses is an error with its own message", ...sharesDevice },
  async () => {
    const device = await testDevice();
    const wrong: Shader = {
      name: "wrong",
      source: "@compute @workgroup_size(1) fn forward() { let x: u32 = 1.5; }",
      constants: {},
      entryPoints: { forward: { bindings: {} } },
    };
    await assert.rejects(
      device.validated("a wrong kernel", () => device.kernel(wrong, "forward", {})),
      /a wrong kernel/,
    );
    device.check(); // the error was caught, not left for later
  },
);

Deno.test("bindings start on multiples of 256 bytes", () => {
  assert.deepEqual([0, 1, 256, 257].map(alignBinding), [0, 256, 256, 512]);
});
