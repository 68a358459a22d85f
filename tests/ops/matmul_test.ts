import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { linear, matmul } from "../../src/ops/matmul.ts";
import { sumRows } from "../../src/ops/sum_rows.ts";
import { sharesDevice } from "../gpu/device.ts";
import { assertClose } from "../reference/compare.ts";
import { linearBackward } from "../reference/linear.ts";
import { type Form, matmul as expectedProduct } from "../reference/matmul.ts";
import { checkOp } from "./check_op.ts";
import { randomInput, runOp } from "./run_graph.ts";

// [m, n, k]: the scalar kernel first, then multiples of 4 for the vec4 kernel, on and off the tile's grid.
const sizes = [[1, 1, 1], [3, 5, 7], [65, 33, 65], [2, 4, 6], [4, 4, 4], [8, 12, 20], [68, 36, 100], [
  64,
  64,
  64,
]];

for (const form of ["NN", "NT", "TN"] satisfies Form[]) {
  Deno.test({ name: `matmul ${form}`, ...sharesDevice }, async () => {
    for (const [m, n, k] of sizes) {
      for (const batch of [0, 3]) {
        const count = Math.max(1, batch), outer = batch ? [batch] : [];
        const a = randomInput(1, [...outer, ...form === "TN" ? [k, m] : [m, k]]);
        const b = randomInput(2, [...outer, ...form === "NT" ? [n, k] : [k, n]]);
        const { output } = await runOp(
          { a, b },
          (graph, t) => matmul(graph, t.a, t.b, { transposeA: form === "TN", transposeB: form === "NT" }),
        );
        const expected = Array.from({ length: count }, (_, i) => {
          const slice = (x: Float32Array) => x.subarray(i * x.length / count, (i + 1) * x.length / count);
          return [...expectedProduct(form, slice(a.data), slice(b.data), { m, n, k })];
        }).flat();
        assertClose(output, expected, { name: `${form} of ${[batch, m, n, k]}`, reduction: k });
      }
    }
  });
}

for (const [rows, n, k] of [[3, 5, 7], [8, 12, 20]]) {
  Deno.test(
    { name: `matmul [6·${rows}, ${k}] with bias, addend on row mod ${rows}`, ...sharesDevice },
    async () => {
      const m = 6 * rows;
      const inputs = {
        a: randomInput(1, [m, k]),
        b: randomInput(2, [k, n]),
        bias: randomInput(3, [n]),
        addend: randomInput(4, [rows, n]),
      };
      const { output } = await runOp(
        inputs,
        (graph, { a, b, bias, addend }) => matmul(graph, a, b, { bias, addend }),
      );
      const expected = expectedProduct("NN", inputs.a.data, inputs.b.data, { m, n, k })
        .map((value, at) => value + inputs.bias.data[at % n] + inputs.addend.data[at % (rows * n)]);
      assertClose(output, expected, { name: "product", reduction: k + 2 });
    },
  );
}

const layers: [m: number, residualRows: number, k: number, n: number][] = [
  [1, 1, 1, 1],
  [3, 0, 5, 7],
  [6, 3, 5, 7],
  [65, 65, 12, 20],
  [130, 65, 8, 12],
  [196, 49, 192, 260], // like a small model's
];
for (const [m, residualRows, k, n] of layers) {
  Deno.test(
    { name: `linear [${m}, ${k}] → ${n}, residual of ${residualRows} rows`, ...sharesDevice },
    async () => {
      const x = randomInput(1, [m, k]), weight = randomInput(2, [k, n]), bias = randomInput(3, [n]);
      const residual = residualRows ? randomInput(4, [residualRows, n]) : undefined;
      await checkOp({
        inputs: { x, weight, bias, ...residual && { residual } },
        op: (graph, t) => linear(graph, t.x, t.weight, t.bias, t.residual),
        reference: (dy) => {
          const { dx, dweight, dbias } = linearBackward(x.data, weight.data, dy);
          const dresidual = new Float64Array(residualRows * n);
          if (residualRows) dy.forEach((value, at) => dresidual[at % dresidual.length] += value);
          const y = expectedProduct("NN", x.data, weight.data, { m, n, k }).map((value, at) =>
            value + bias.data[at % n] + (residual?.data[at % (residualRows * n)] ?? 0)
          );
          return {
            output: { value: y, reduction: k + 2 },
            gradients: {
              x: { value: dx, reduction: n },
              weight: { value: dweight, reduction: m },
              bias: { value: dbias, reduction: m },
              ...residualRows ? { residual: { value: dresidual, reduction: m / residualRows } } : {},
            },
          };
        },
      });
    },
  );
}

for (const [rows, columns] of [[1, 1], [3, 65], [64, 5], [65, 3], [5000, 7], [4097, 64]]) {
  Deno.test({ name: `sum of ${rows} rows of ${columns}`, ...sharesDevice }, async () => {
    const x = randomInput(1, [rows, columns]), addend = randomInput(2, [columns]);
    const sum = new Float64Array(columns);
    x.data.forEach((value, at) => sum[at % columns] += value);
    const plain = await runOp({ x }, (graph, t) => sumRows(graph, t.x, null, "sum"));
    assertClose(plain.output, sum, { name: "sum", reduction: rows });
    const added = await runOp({ x, addend }, (graph, t) => sumRows(graph, t.x, t.addend, "sum"));
    assertClose(added.output, sum.map((value, at) => value + addend.data[at]), {
      name: "sum",
      reduction: rows + 1,
    });
  });
}

Deno.test("matmul refuses inner sizes that differ and says both", () => {
  const graph = new Graph();
  const product = () =>
    matmul(graph, graph.temporary("a", [2, 3]), graph.temporary("b", [4, 5]), { label: "c" });
  assert.throws(product, { name: "TypeError", message: /\[2,3\].*\[4,5\].*"c".*4.*expected 3/ });
  assert.throws(
    () => matmul(graph, graph.temporary("a", [2, 3, 3]), graph.temporary("b", [1, 3, 3])),
    TypeError,
  );
});

Deno.test({ name: "a product that is a little off fails", ...sharesDevice }, async () => {
  const a = randomInput(1, [8, 8]), b = randomInput(2, [8, 8]);
  const { output } = await runOp({ a, b }, (graph, t) => matmul(graph, t.a, t.b));
  const expected = expectedProduct("NN", a.data, b.data, { m: 8, n: 8, k: 8 });
  const tolerance = { name: "product", reduction: 8 };
  assertClose(output, expected, tolerance);
  output[13] += 1e-4;
  assert.throws(() => assertClose(output, expected, tolerance), /worst at 13/);
  output[13] = NaN;
  assert.throws(() => assertClose(output, expected, tolerance), /worst at 13/);
});
