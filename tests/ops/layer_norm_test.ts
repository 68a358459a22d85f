import assert from "node:assert/strict";
import { portableTraits } from "../../src/gpu/device.ts";
import { Graph, type Target } from "../../src/graph/graph.ts";
import { layerNorm } from "../../src/ops/layer_norm.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { layerNorm as expected, layerNormBackward } from "../reference/layer_norm.ts";
import { checkOp } from "./check_op.ts";
import { randomInput } from "./run_graph.ts";

const device = await testDevice();
const { traits } = device;
const targets: Record<string, Target> = {
  "subgroup teams": device,
  "workgroup teams": { traits: { ...traits, subgroupSize: null }, tuned: new Map() },
  "workgroup teams, one row each": { traits: portableTraits, tuned: new Map() },
};

// Rows on and off a team's, widths on and off what the lanes divide evenly.
const cases = [[1, 4, 1], [3, 20, 1], [65, 68, 3], [7, 16, 1e-3], [196, 192, 1], [300, 64, 1], [5, 772, 1]];

for (
  const [[rows, width, deviation], teams] of cases.flatMap((c) =>
    Object.keys(targets).map((t) => [c, t] as const)
  )
) {
  Deno.test(
    { name: `layer norm of [${rows}, ${width}], deviation ${deviation}, ${teams}`, ...sharesDevice },
    async () => {
      const x = randomInput(1, [rows, width], deviation), weight = randomInput(2, [width]);
      const bias = randomInput(3, [width]);
      await checkOp({
        target: targets[teams],
        inputs: { x, weight, bias },
        op: (graph, t) => layerNorm(graph, t.x, t.weight, t.bias),
        reference: (dy) => {
          const { dx, dweight, dbias } = layerNormBackward(x.data, weight.data, dy);
          return {
            output: { value: expected(x.data, weight.data, bias.data).y, reduction: width, scale: 4 },
            gradients: {
              x: { value: dx, reduction: width },
              weight: { value: dweight, reduction: rows, scale: 4 },
              bias: { value: dbias, reduction: rows, scale: 4 },
            },
          };
        },
      });
    },
  );
}

for (const teams of Object.keys(targets)) {
  Deno.test({ name: `layer norm with CLIP's ε of 1e-5, ${teams}`, ...sharesDevice }, async () => {
    const epsilon = 1e-5;
    // So small that ε counts.
    const x = randomInput(1, [9, 20], 3e-3), weight = randomInput(2, [20]), bias = randomInput(3, [20]);
    await checkOp({
      target: targets[teams],
      inputs: { x, weight, bias },
      op: (graph, t) => layerNorm(graph, t.x, t.weight, t.bias, { epsilon }),
      reference: (dy) => {
        const { dx, dweight, dbias } = layerNormBackward(x.data, weight.data, dy, epsilon);
        return {
          output: { value: expected(x.data, weight.data, bias.data, epsilon).y, reduction: 20, scale: 4 },
          gradients: {
            x: { value: dx, reduction: 20 },
            weight: { value: dweight, reduction: 9, scale: 4 },
            bias: { value: dbias, reduction: 9, scale: 4 },
          },
        };
      },
    });
  });
}

Deno.test("layer norm refuses a weight of another width", () => {
  const graph = new Graph(), x = graph.temporary("x", [3, 4]), weight = graph.temporary("weight", [5]);
  assert.throws(() => layerNorm(graph, x, weight, weight), {
    name: "TypeError",
    message: /"weight".*\[5\].*expected \[4\]/,
  });
});

Deno.test("layer norm refuses a width that is no multiple of 4", () => {
  const graph = new Graph(), weight = graph.temporary("weight", [6]);
  assert.throws(() => layerNorm(graph, graph.temporary("x", [3, 6]), weight, weight), {
    name: "TypeError",
    message: /6 columns.*multiple of 4/,
  });
});
