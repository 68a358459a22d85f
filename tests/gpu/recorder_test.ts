import assert from "node:assert/strict";
import { linearGrid, Recording } from "../../src/gpu/recorder.ts";
import { gelu } from "../../src/gpu/shaders.gen.ts";
import { assertClose } from "../reference/compare.ts";
import { gelu as expected } from "../reference/gelu.ts";
import { sharesDevice, testDevice } from "./device.ts";

Deno.test("a grid covers every element within 65,535 workgroups an axis", () => {
  assert.deepEqual(linearGrid(0, 64), [1, 1, 1]);
  assert.deepEqual(linearGrid(64, 64), [1, 1, 1]);
  assert.deepEqual(linearGrid(65, 64), [2, 1, 1]);
  assert.deepEqual(linearGrid(65535, 1), [65535, 1, 1]);
  assert.deepEqual(linearGrid(65536, 1), [32768, 2, 1]);
  for (const size of [65537, 1e6 + 1, 2 ** 31]) {
    const [x, y, z] = linearGrid(size, 1);
    assert.ok(x <= 65535 && y <= 65535 && z === 1);
    assert.ok(x * y >= size && x * y < size + y, `${size}: ${x} × ${y}`);
  }
});

Deno.test(
  { name: "a grid folded into rows computes every element and none past the end", ...sharesDevice },
  async () => {
    const device = await testDevice(), size = 65535 * 64 + 65;
    assert.equal(linearGrid(size, 64)[1], 2);
    const data = Float32Array.from({ length: size }, (_, index) => index % 97 / 16 - 3);
    const x = device.createBuffer("x", size * 4), y = device.createBuffer("y", size * 4 + 256);
    device.write(x, data);
    const params = gelu.entryPoints.forward.bindings.params;
    using recording = new Recording(device, "folded", [{
      kernel: device.kernel(gelu, "forward", {}),
      workgroups: linearGrid(size, 64),
      ranges: {
        x: { buffer: x, offsetBytes: 0, sizeBytes: size * 4 },
        y: { buffer: y, offsetBytes: 0, sizeBytes: size * 4 + 256 },
      },
      uniform: { name: "params", binding: params, values: { size } },
    }]);
    device.submit(recording);
    const words = new Float32Array(await device.read(y, 0, size * 4 + 256));
    assertClose(words.subarray(0, size), expected(data), { name: "folded", reduction: 4 });
    assert.ok(words.subarray(size).every((value) => value === 0));
    for (const buffer of [x, y]) device.destroyBuffer(buffer);
  },
);

Deno.test({ name: "a submit counts its dispatches; replaying builds nothing", ...sharesDevice }, async () => {
  const device = await testDevice();
  const [x, y] = ["x", "y"].map((label) => device.createBuffer(label, 256));
  const range = (buffer: GPUBuffer) => ({ buffer, offsetBytes: 0, sizeBytes: 256 });
  const command = (size: number) => ({
    kernel: device.kernel(gelu, "forward", {}),
    workgroups: [1, 1, 1] as const,
    ranges: { x: range(x), y: range(y) },
    uniform: { name: "params", binding: gelu.entryPoints.forward.bindings.params, values: { size } },
  });
  // Each dispatch has a uniform block of its own.
  using first = new Recording(device, "first", [command(1), command(3)]);
  using second = new Recording(device, "second", [command(2)]);
  device.write(x, new Float32Array(64).fill(10));
  const before = { ...device.counters };
  device.submit(first, second, first);
  assert.deepEqual(device.counters, {
    ...before,
    submits: before.submits + 1,
    dispatches: before.dispatches + 5,
  });
  assert.deepEqual([...new Float32Array(await device.read(y, 0, 16))], [10, 10, 10, 0]);
  for (const buffer of [x, y]) device.destroyBuffer(buffer);
});
