import assert from "node:assert/strict";
import { enableLines, packUniform } from "../../src/gpu/kernel.ts";
import { gelu, matmulScalar as matmul } from "../../src/gpu/shaders.gen.ts";
import type { UniformBinding } from "../../src/gpu/shader.ts";
import { sharesDevice, testDevice } from "./device.ts";

const binding: UniformBinding = {
  kind: "uniform",
  index: 0,
  sizeBytes: 16,
  fields: {
    size: { offsetBytes: 0, type: "u32" },
    shift: { offsetBytes: 4, type: "i32" },
    scale: { offsetBytes: 8, type: "f32" },
  },
};

Deno.test("a uniform block is packed little-endian, each field at its offset", () => {
  const bytes = packUniform(binding, { size: 0xfffffffe, shift: -2, scale: 0.5 });
  assert.deepEqual([...bytes], [0xfe, 255, 255, 255, 0xfe, 255, 255, 255, 0, 0, 0, 0x3f, 0, 0, 0, 0]);
});

Deno.test("a uniform field without a value, or with one that u32 cannot hold, is refused by name", () => {
  assert.throws(() => packUniform(binding, { size: 1, scale: 1 }), { name: "TypeError", message: /"shift"/ });
  for (const size of [-1, 0.5, 2 ** 32, NaN]) {
    assert.throws(() => packUniform(binding, { size, shift: 0, scale: 0 }), {
      name: "RangeError",
      message: /"size"/,
    });
  }
});

Deno.test({ name: "a kernel is compiled once for the same constants", ...sharesDevice }, async () => {
  const device = await testDevice(), before = device.counters.pipelinesCreated;
  const kernels = [4, 4, 2].map((ROWS) => device.kernel(matmul, "forward", { ROWS, GROUP_ROWS: 3 }));
  assert.equal(kernels[0], kernels[1]);
  assert.notEqual(kernels[0], kernels[2]);
  assert.equal(device.counters.pipelinesCreated - before, 2);
});

Deno.test({ name: "a kernel in half precision is another kernel", ...sharesDevice }, async () => {
  const device = await testDevice();
  const halved = ["StoredA", "StoredC"];
  const kernel = () => device.kernel(matmul, "forward", {}, halved);
  assert.equal(await device.validated("a kernel in half precision", kernel), kernel());
  assert.notEqual(kernel(), device.kernel(matmul, "forward", {}));
});

Deno.test("a text enables what it uses, and Deno has subgroups without", () => {
  assert.equal(enableLines("alias Stored = vec4f;", false), "");
  for (const type of ["f16", "vec2h", "vec4h"]) {
    for (const inDeno of [false, true]) {
      assert.equal(enableLines(`alias Stored = ${type};`, inDeno), "enable f16;\n");
    }
  }
  const both = "fn f(x: vec4h) { subgroupAdd(1); }";
  assert.equal(enableLines(both, false), "enable f16;\nenable subgroups;\n");
  assert.equal(enableLines(both, true), "enable f16;\n");
});

Deno.test({ name: "a binding that is missing is refused by name", ...sharesDevice }, async () => {
  const device = await testDevice(), kernel = device.kernel(gelu, "forward", {});
  assert.throws(() => kernel.bind({}), { name: "TypeError", message: /"gelu\.forward".*"params"/ });
});
