/** The guards themselves: what they must catch, they catch. */
import assert from "node:assert/strict";
import { linearGrid } from "../../src/gpu/recorder.ts";
import { gelu as shader } from "../../src/gpu/shaders.gen.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { gelu } from "../../src/ops/gelu.ts";
import { linear } from "../../src/ops/matmul.ts";
import { sharesDevice } from "../gpu/device.ts";
import { assertClose } from "../reference/compare.ts";
import { gelu as expected } from "../reference/gelu.ts";
import { randomInput, runOp } from "./run_graph.ts";

/** GELU told a size that is `extra` elements off. */
function wrongSize(graph: Graph, x: Tensor, extra: number): Tensor {
  const y = graph.temporary("y", x.shape);
  graph.dispatch(shader, "forward", { params: { size: x.size + extra }, x, y }, {
    workgroups: linearGrid(x.size, 64),
  });
  return y;
}

for (const size of [3, 4, 63]) {
  Deno.test(
    { name: `a kernel that writes one past ${size} elements is caught`, ...sharesDevice },
    async () => {
      const x = randomInput(1, [size]);
      await assert.rejects(
        runOp({ x }, (graph, t) => wrongSize(graph, t.x, 1)),
        /"y" was written past its end/,
      );
    },
  );

  Deno.test(
    { name: `a kernel that leaves out one of ${size} elements is caught`, ...sharesDevice },
    async () => {
      const x = randomInput(1, [size]);
      const { output } = await runOp({ x }, (graph, t) => wrongSize(graph, t.x, -1));
      const compare = () => assertClose(output, expected(x.data), { name: "y", reduction: 4 });
      assert.throws(compare, new RegExp(`worst at ${size - 1}: NaN`));
    },
  );
}

Deno.test({ name: "a kernel that reads past the end of its input is caught", ...sharesDevice }, async () => {
  const x = randomInput(1, [3]);
  const { output } = await runOp({ x }, (graph, t) => {
    const y = graph.temporary("y", [4]);
    graph.dispatch(shader, "forward", { params: { size: 4 }, x: t.x, y }, { workgroups: [1, 1, 1] });
    return y;
  });
  assert.ok(Number.isNaN(output[3]));
});

Deno.test({ name: "a tensor used twice gets the sum of its gradients", ...sharesDevice }, async () => {
  // y = x · W + b + gelu(x): x is an input of the product and of the residual.
  const x = randomInput(1, [8, 4]), weight = randomInput(2, [4, 4]), bias = randomInput(3, [4]);
  const gradientOf = async (op: (graph: Graph, t: { readonly [name: string]: Tensor }) => Tensor) =>
    (await runOp({ x, weight, bias }, op, () => randomInput(4, [8, 4]).data)).gradients.get("x")!;
  const product = await gradientOf((graph, t) => linear(graph, t.x, t.weight, t.bias));
  const branch = await gradientOf((graph, t) => gelu(graph, t.x));
  const both = await gradientOf((graph, t) => linear(graph, t.x, t.weight, t.bias, gelu(graph, t.x)));
  const direct = await gradientOf((graph, t) => linear(graph, t.x, t.weight, t.bias, t.x));
  const dy = randomInput(4, [8, 4]).data;
  assertClose(both, product.map((value, at) => value + branch[at]), {
    name: "product and branch",
    reduction: 4,
  });
  assertClose(direct, product.map((value, at) => value + dy[at]), {
    name: "product and residual",
    reduction: 4,
  });
});
