import assert from "node:assert/strict";
import { portableTraits } from "../../src/gpu/device.ts";
import { Graph, type Target } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { linear, matmul, multiply } from "../../src/ops/matmul.ts";
import { type MatmulShape, matmulVariants } from "../../src/ops/matmul_variants.ts";
import { sumRows } from "../../src/ops/sum_rows.ts";
import { selfAttention } from "../../src/ops/attention.ts";
import { MOST_TRIAL_ELEMENTS } from "../../src/ops/trial.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { assertClose } from "../reference/compare.ts";
import { gelu, geluBackward } from "../reference/gelu.ts";
import { linearBackward } from "../reference/linear.ts";
import { type Form, matmul as expectedProduct } from "../reference/matmul.ts";
import { checkOp } from "./check_op.ts";
import { randomInput, runOp } from "./run_graph.ts";

const device = await testDevice();
/** Every adapter that variants are made for. Every device with subgroups runs all of them. */
const targets = {
  "a software adapter": { traits: { ...device.traits, software: true }, tuned: new Map() },
  "a GPU": { traits: { ...device.traits, software: false }, tuned: new Map() },
  "the portable floor": { traits: portableTraits, tuned: new Map() },
};

/** The names of all variants of a product, with a target that offers each. */
function variantsOf(shape: MatmulShape, splittable: boolean): [name: string, target: Target][] {
  return Object.values(targets).flatMap((target) =>
    matmulVariants(shape, target.traits, splittable).map(({ name }): [string, Target] => [name, target])
  );
}

const formOf = (form: Form) => ({ transposeA: form === "TN", transposeB: form === "NT" });

// [batch, m, n, k]: lengths that need the scalar kernel first, then multiples of 4, on and off every tile's grid.
const sizes = [[1, 1, 1, 1], [3, 3, 5, 7], [1, 65, 33, 65], [1, 2, 4, 6], [1, 4, 4, 4], [3, 8, 12, 20], [
  1,
  132,
  260,
  36,
]];

for (const form of ["NN", "NT", "TN"] satisfies Form[]) {
  Deno.test({ name: `matmul ${form}, every variant`, ...sharesDevice }, async () => {
    for (const [count, m, n, k] of sizes) {
      const outer = count > 1 ? [count] : [];
      const a = randomInput(1, [...outer, ...form === "TN" ? [k, m] : [m, k]]);
      const b = randomInput(2, [...outer, ...form === "NT" ? [n, k] : [k, n]]);
      const expected = Array.from({ length: count }, (_, i) => {
        const slice = (x: Float32Array) => x.subarray(i * x.length / count, (i + 1) * x.length / count);
        return [...expectedProduct(form, slice(a.data), slice(b.data), { m, n, k })];
      }).flat();
      for (const [variant, target] of variantsOf({ m, n, k, batch: count, ...formOf(form) }, false)) {
        const { output } = await runOp(
          { a, b },
          (graph, t) => matmul(graph, t.a, t.b, { ...formOf(form), variant, scale: 0.5 }),
          undefined,
          1,
          target,
        );
        assertClose(output, expected.map((value) => value / 2), {
          name: `${form} of ${[count, m, n, k]}, ${variant}`,
          reduction: k,
        });
      }
    }
  });
}

Deno.test(
  { name: "every variant finishes its sums: bias, GELU, addend, column sums", ...sharesDevice },
  async () => {
    for (const [m, n, k] of [[5, 3, 7], [36, 68, 20]]) {
      const shape = { m, n, k, batch: 1, transposeA: false, transposeB: false };
      const a = randomInput(1, [m, k]), b = randomInput(2, [k, n]), bias = randomInput(3, [n]);
      const addend = randomInput(4, [m, n]), before = randomInput(5, [m, n]);
      before.data.set([-1e4, 1e4, -20, 20, -5]);
      const product = expectedProduct("NN", a.data, b.data, { m, n, k });
      const biased = product.map((value, at) => value + bias.data[at % n]);
      const slopes = geluBackward(before.data, before.data.map(() => 1));
      const sums = Float64Array.from({ length: n }, (_, column) => {
        let sum = 0;
        for (let row = 0; row < k; row++) sum += b.data[row * n + column];
        return sum + bias.data[column];
      });
      for (const [variant, target] of variantsOf(shape, false)) {
        const run = async (build: (graph: Graph, t: Record<string, Tensor>) => Tensor) =>
          (await runOp({ a, b, bias, addend, before }, build, undefined, 1, target)).output;
        const holds = (actual: Float32Array, expected: ArrayLike<number>, what: string) =>
          assertClose(actual, expected, { name: `${what} of ${[m, n, k]}, ${variant}`, reduction: k + 2 });
        const options = (t: Record<string, Tensor>) => ({
          variant,
          bias: t.bias,
          addend: t.addend,
          gelu: "save" as const,
        });
        holds(
          await run((graph, t) => multiply(graph, t.a, t.b, options(t)).product),
          gelu(biased).map((value, at) => value + addend.data[at]),
          "GELU",
        );
        holds(
          await run((graph, t) => multiply(graph, t.a, t.b, options(t)).saved!),
          biased,
          "what GELU was applied to",
        );
        holds(
          await run((graph, t) => matmul(graph, t.a, t.b, { variant, geluBackward: t.before })),
          product.map((value, at) => value * slopes[at]),
          "GELU's derivative",
        );
        const columnSums = (t: Record<string, Tensor>) => ({
          variant,
          columnSums: { label: "sums", addend: t.bias },
        });
        holds(
          await run((graph, t) => multiply(graph, t.a, t.b, columnSums(t)).columnSums!),
          sums,
          "column sums",
        );
      }
    }
  },
);

Deno.test({ name: "k in parts gives the product and the column sums", ...sharesDevice }, async () => {
  for (const [m, n, k] of [[8, 12, 260], [36, 20, 1028]]) {
    const shape = { m, n, k, batch: 1, transposeA: true, transposeB: false };
    const a = randomInput(1, [k, m]), b = randomInput(2, [k, n]), addend = randomInput(3, [m, n]);
    const bias = randomInput(4, [n]);
    const product = expectedProduct("TN", a.data, b.data, { m, n, k }).map((value, at) =>
      value + addend.data[at]
    );
    const sums = new Float64Array(n);
    b.data.forEach((value, at) => sums[at % n] += value);
    const parted = variantsOf(shape, true).filter(([name]) => name.includes("k in"));
    assert.ok(parted.length > 3);
    for (const [variant, target] of parted) {
      const run = async (result: "product" | "columnSums") =>
        (await runOp(
          { a, b, addend, bias },
          (graph, t) =>
            multiply(graph, t.a, t.b, {
              transposeA: true,
              variant,
              addend: t.addend,
              columnSums: { label: "sums", addend: t.bias },
            })[result]!,
          undefined,
          1,
          target,
        )).output;
      assertClose(await run("product"), product, { name: `product, ${variant}`, reduction: k });
      assertClose(await run("columnSums"), sums.map((sum, at) => sum + bias.data[at]), {
        name: `column sums, ${variant}`,
        reduction: k,
      });
    }
  }
});

Deno.test("a product takes the measured winner of its class, and else the first variant", () => {
  const record = (tuned: ReadonlyMap<string, string>) => {
    const graph = new Graph({ traits: portableTraits, tuned });
    matmul(graph, graph.temporary("a", [60, 32]), graph.temporary("b", [32, 64]));
    return { graph, kernel: graph.dispatches[0].shader.name };
  };
  const { graph, kernel } = record(new Map());
  assert.equal(kernel, "matmul_tiled");
  const [[key, { variants }]] = graph.choices;
  assert.equal(key, "matmul NN 64×64×32");
  const direct = variants.find((name) => name.startsWith("direct"))!;
  assert.equal(record(new Map([[key, direct]])).kernel, "matmul_direct");
  assert.equal(record(new Map([[key, "of an older version"]])).kernel, "matmul_tiled");
  assert.throws(
    () =>
      matmul(new Graph(), graph.temporary("a", [4, 4]), graph.temporary("b", [4, 4]), { variant: "none" }),
    { name: "RangeError", message: /"none".*tiled/ },
  );
});

Deno.test("trials of a large step's products and attentions stay small, and hold every variant", () => {
  const target = targets["a GPU"], graph = new Graph(target);
  const tokens = graph.temporary("tokens", [2 ** 16, 768]),
    hidden = graph.temporary("hidden", [2 ** 16, 3072]);
  matmul(graph, tokens, graph.temporary("in", [768, 3072]));
  matmul(graph, hidden, graph.temporary("in", [768, 3072]), { transposeB: true });
  matmul(graph, tokens, hidden, { transposeA: true });
  matmul(graph, tokens, graph.temporary("d tokens", [2 ** 16, 768]), { transposeA: true });
  selfAttention(graph, graph.temporary("qkv", [2 ** 16, 3 * 768]), { examples: 256, heads: 12 });
  assert.equal(graph.choices.size, 5);
  for (const { key, variants, record } of graph.choices.values()) {
    assert.ok(variants.length > 1, key);
    for (const variant of variants) {
      const trial = new Graph(target),
        largest = [record(trial, variant), ...trial.constants.map(({ tensor }) => tensor)]
          .reduce((most, { size }) => Math.max(most, size), 0);
      assert.ok(
        largest <= MOST_TRIAL_ELEMENTS && largest > MOST_TRIAL_ELEMENTS / 4,
        `${key}, ${variant}: ${largest}`,
      );
    }
  }
});

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
