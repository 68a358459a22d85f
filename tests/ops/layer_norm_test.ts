import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { layerNorm } from "../../src/ops/layer_norm.ts";
import { sharesDevice } from "../gpu/device.ts";
import { layerNorm as expected, layerNormBackward } from "../reference/layer_norm.ts";
import { checkOp } from "./check_op.ts";
import { randomInput } from "./run_graph.ts";

for (const [rows, width, deviation] of [[1, 1, 1], [3, 5, 1], [65, 65, 3], [7, 16, 1e-3], [196, 192, 1]]) {
  Deno.test(
    { name: `layer norm of [${rows}, ${width}], deviation ${deviation}`, ...sharesDevice },
    async () => {
      const x = randomInput(1, [rows, width], deviation), weight = randomInput(2, [width]);
      const bias = randomInput(3, [width]);
      await checkOp({
        inputs: { x, weight, bias },
        op: (graph, t) => layerNorm(graph, t.x, t.weight, t.bias),
        reference: (dy) => {
          const { dx, dweight, dbias } = layerNormBackward(x.data, weight.data, dy);
          // A row of one element is its own mean: what is left is rounding, enlarged by rstd = 1000.
          return {
            output: { value: expected(x.data, weight.data, bias.data).y, reduction: width, scale: 4 },
            gradients: {
              x: { value: dx, reduction: width, scale: width === 1 ? 1000 : undefined },
              weight: { value: dweight, reduction: rows, scale: 4 },
              bias: { value: dbias, reduction: rows, scale: 4 },
            },
          };
        },
      });
    },
  );
}

Deno.test("layer norm refuses a weight of another width", () => {
  const graph = new Graph(), x = graph.temporary("x", [3, 4]), weight = graph.temporary("weight", [5]);
  assert.throws(() => layerNorm(graph, x, weight, weight), {
    name: "TypeError",
    message: /"weight".*\[5\].*expected \[4\]/,
  });
});
