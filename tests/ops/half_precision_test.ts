/** Kernels whose operands or results lie in half precision, against float64: sums stay f32, stored results round once. */
import assert from "node:assert/strict";
import { portableTraits } from "../../src/gpu/device.ts";
import { Graph, type Target } from "../../src/graph/graph.ts";
import { type DType, Tensor, TensorStorage } from "../../src/graph/tensor.ts";
import { tune } from "../../src/graph/tuner.ts";
import { convert } from "../../src/ops/convert.ts";
import { gatherRows } from "../../src/ops/gather.ts";
import { layerNorm } from "../../src/ops/layer_norm.ts";
import { linear, matmul, multiply } from "../../src/ops/matmul.ts";
import { type MatmulShape, matmulVariants } from "../../src/ops/matmul_variants.ts";
import { mlp } from "../../src/ops/mlp.ts";
import { embedPatches } from "../../src/ops/patch_embedding.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { assertClose } from "../reference/compare.ts";
import { gelu, geluBackward } from "../reference/gelu.ts";
import { layerNorm as expectedNorm, layerNormBackward } from "../reference/layer_norm.ts";
import { linearBackward } from "../reference/linear.ts";
import { type Form, matmul as expectedProduct } from "../reference/matmul.ts";
import { mlp as expectedMlp, mlpBackward } from "../reference/mlp.ts";
import { embedPatches as expectedPatches, embedPatchesBackward } from "../reference/patch_embedding.ts";
import { checkOp, type OpCase } from "./check_op.ts";
import { halfInput, randomInput, runOp } from "./run_graph.ts";

const device = await testDevice();
const { traits } = device;
/** Every adapter that variants are made for. */
const targets: Target[] = [
  device,
  { traits: { ...traits, software: false }, tuned: new Map() },
  { traits: { ...portableTraits, halfPrecision: true }, tuned: new Map() },
];
const activations = "f16" as const;

Deno.test({ name: "this adapter stores half precision", ...sharesDevice }, () => {
  assert.ok(traits.halfPrecision, `${device.adapter.description} lacks shader-f16: these tests need it`);
});

/** All variants of a product that a tuner may choose, with a target that offers each. */
const variantsOf = (shape: MatmulShape): [name: string, target: Target][] =>
  targets.flatMap((target) =>
    matmulVariants(shape, target.traits, false).map(({ name }): [string, Target] => [name, target])
  );

// [batch, m, n, k], lengths off every tile's grid: for the scalar kernel, then multiples of 4.
const sizes = [[1, 1, 1, 1], [3, 3, 5, 7], [1, 65, 33, 65], [3, 8, 12, 20], [1, 132, 260, 36]];
for (const form of ["NN", "NT", "TN"] satisfies Form[]) {
  Deno.test(
    { name: `matmul ${form} of half-precision operands, every variant`, ...sharesDevice },
    async () => {
      for (const [count, m, n, k] of sizes) {
        const outer = count > 1 ? [count] : [];
        const whole = {
          a: randomInput(1, [...outer, ...form === "TN" ? [k, m] : [m, k]]),
          b: randomInput(2, [...outer, ...form === "NT" ? [n, k] : [k, n]]),
        };
        const half = { a: halfInput(whole.a), b: halfInput(whole.b) };
        const forms = { transposeA: form === "TN", transposeB: form === "NT" };
        // Forward passes multiply half by half; gradients, f32, are multiplied by the other operand of the forward pass.
        const mixed = form === "TN" ? ["half", "whole"] : ["whole", "half"];
        for (const [left, right] of [["half", "half"], mixed]) {
          const a = left === "half" ? half.a : { input: whole.a, data: whole.a.data };
          const b = right === "half" ? half.b : { input: whole.b, data: whole.b.data };
          const expected = Array.from({ length: count }, (_, i) => {
            const slice = (x: Float32Array) => x.subarray(i * x.length / count, (i + 1) * x.length / count);
            return [...expectedProduct(form, slice(a.data), slice(b.data), { m, n, k })];
          }).flat();
          const dtype = left === right ? "f16" : "f32";
          const dtypes = [a, b].map(({ input }) => input.data instanceof Float16Array ? "f16" : "f32") as [
            DType,
            DType,
          ];
          for (const [variant, target] of variantsOf({ m, n, k, batch: count, dtypes, ...forms })) {
            const { output } = await runOp(
              { a: a.input, b: b.input },
              (graph, t) => matmul(graph, t.a, t.b, { ...forms, variant, scale: 1, dtype }),
              undefined,
              1,
              target,
            );
            assertClose(output, expected, {
              name: `${left} · ${right} ${form} of ${[count, m, n, k]}, ${variant}`,
              reduction: k,
              // A packed kernel rounds every product.
              halves: variant.includes("packed") ? k : dtype === "f16" ? 1 : 0,
            });
          }
        }
      }
    },
  );
}

Deno.test({
  name: "every variant finishes half-precision products: GELU, its derivative, sums",
  ...sharesDevice,
}, async () => {
  for (const [m, n, k] of [[5, 3, 7], [36, 68, 20]]) {
    const a = halfInput(randomInput(1, [m, k])), b = halfInput(randomInput(2, [k, n]));
    const bias = randomInput(3, [n]), whole = randomInput(6, [k, n]);
    const before = halfInput(randomInput(5, [m, n]));
    const product = expectedProduct("NN", a.data, b.data, { m, n, k });
    const biased = product.map((value, at) => value + bias.data[at % n]);
    const slopes = geluBackward(before.data, before.data.map(() => 1));
    const sums = new Float64Array(n);
    whole.data.forEach((value, at) => sums[at % n] += value);
    const shape = { m, n, k, batch: 1, transposeA: false, transposeB: false }; // none of the packed: no other epilogue
    for (const [variant, target] of variantsOf(shape)) {
      const inputs = { a: a.input, b: b.input, bias, before: before.input, whole };
      const run = async (op: OpCase["op"]) => (await runOp(inputs, op, undefined, 1, target)).output;
      const holds = (actual: Float32Array, value: ArrayLike<number>, what: string, halves: number) =>
        assertClose(actual, value, { name: `${what} of ${[m, n, k]}, ${variant}`, reduction: k, halves });
      const hidden: OpCase["op"] = (graph, t) =>
        multiply(graph, t.a, t.b, { variant, bias: t.bias, gelu: "save", dtype: "f16" }).product;
      holds(await run(hidden), gelu(biased), "GELU", 1);
      const saved: OpCase["op"] = (graph, t) =>
        multiply(graph, t.a, t.b, { variant, bias: t.bias, gelu: "save", dtype: "f16" }).saved!;
      holds(await run(saved), biased, "what GELU was applied to", 1);
      const derivative: OpCase["op"] = (graph, t) =>
        matmul(graph, t.a, t.b, { variant, geluBackward: t.before });
      holds(await run(derivative), product.map((value, at) => value * slopes[at]), "GELU's derivative", 0);
      const columnSums: OpCase["op"] = (graph, t) =>
        multiply(graph, t.a, t.whole, { variant, columnSums: { label: "sums", addend: null } }).columnSums!;
      holds(await run(columnSums), sums, "column sums", 0);
    }
  }
});

Deno.test(
  { name: "a linear layer of half-precision weight and input, f32 gradients", ...sharesDevice },
  async () => {
    for (const [m, k, n] of [[3, 5, 7], [65, 12, 20], [196, 64, 132]]) {
      const x = halfInput(randomInput(1, [m, k])), weight = halfInput(randomInput(2, [k, n]));
      const bias = randomInput(3, [n]);
      await checkOp({
        activations,
        inputs: { x: x.input, weight: weight.input, bias },
        op: (graph, t) => linear(graph, t.x, t.weight, t.bias, undefined, graph.activations),
        reference: (dy) => {
          const { dx, dweight, dbias } = linearBackward(x.data, weight.data, dy);
          const y = expectedProduct("NN", x.data, weight.data, { m, n, k }).map((v, at) =>
            v + bias.data[at % n]
          );
          return {
            output: { value: y, reduction: k + 1, halves: 1 },
            gradients: {
              x: { value: dx, reduction: n },
              weight: { value: dweight, reduction: m },
              bias: { value: dbias, reduction: m },
            },
          };
        },
      });
    }
  },
);

Deno.test({ name: "layer norm into half precision, every kind of team", ...sharesDevice }, async () => {
  for (const [rows, width] of [[1, 4], [65, 68], [7, 16], [196, 192]]) {
    const x = randomInput(1, [rows, width]), weight = randomInput(2, [width]), bias = randomInput(3, [width]);
    for (const target of targets) {
      await checkOp({
        activations,
        target,
        inputs: { x, weight, bias },
        op: (graph, t) => layerNorm(graph, t.x, t.weight, t.bias),
        reference: (dy) => {
          const { dx, dweight, dbias } = layerNormBackward(x.data, weight.data, dy);
          const { y } = expectedNorm(x.data, weight.data, bias.data);
          return {
            output: { value: y, reduction: width, scale: 4, halves: 1 },
            gradients: {
              x: { value: dx, reduction: width },
              weight: { value: dweight, reduction: rows, scale: 4 },
              bias: { value: dbias, reduction: rows, scale: 4 },
            },
          };
        },
      });
    }
  }
});

Deno.test({ name: "an MLP that keeps its hidden layer in half precision", ...sharesDevice }, async () => {
  for (const [rows, width, hidden] of [[5, 3, 7], [36, 8, 20], [196, 64, 132]]) {
    const x = halfInput(randomInput(1, [rows, width])), residual = randomInput(2, [rows, width]);
    const kernels = {
      "mlp.in.weight": halfInput(randomInput(3, [width, hidden], 1 / Math.sqrt(width))),
      "mlp.out.weight": halfInput(randomInput(5, [hidden, width], 1 / Math.sqrt(hidden))),
    };
    const biases = { "mlp.in.bias": randomInput(4, [hidden]), "mlp.out.bias": randomInput(6, [width]) };
    const parameters = Object.fromEntries(
      Object.entries({ ...kernels, ...biases }).map(([name, { data }]) => [name, Float64Array.from(data)]),
    );
    const weights = Object.fromEntries(Object.entries(kernels).map(([name, { input }]) => [name, input]));
    await checkOp({
      activations,
      inputs: { x: x.input, residual, ...weights, ...biases },
      op: (graph, t) => {
        const layer = (name: string) => ({ weight: t[`${name}.weight`], bias: t[`${name}.bias`] });
        return mlp(graph, t.x, { in: layer("mlp.in"), out: layer("mlp.out") }, t.residual);
      },
      reference: (dy) => {
        const gradients = Object.fromEntries(
          Object.entries(parameters).map(([name, { length }]) => [name, new Float64Array(length)]),
        );
        const input = Float64Array.from(x.data);
        const dx = mlpBackward(parameters, "mlp", input, Float64Array.from(dy), gradients);
        const y = expectedMlp(parameters, "mlp", input).map((v, at) => v + residual.data[at]);
        // Sums over the hidden layer's 1 / √hidden-sized terms, or over rows: each has rounded once.
        const reduction = width + hidden;
        return {
          output: { value: y, reduction, halves: 1 },
          gradients: {
            x: { value: dx, reduction, halves: 1 },
            residual: { value: dy, reduction: 1 },
            ...Object.fromEntries(
              Object.entries(gradients).map(([name, value]) => [
                name,
                { value, reduction: reduction + rows, halves: name === "mlp.out.bias" ? 0 : 1 },
              ]),
            ),
          },
        };
      },
    });
  }
});

// In words, in bytes, and from another stored size.
for (const [image, patch, stored, width] of [[16, 8, 8, 12], [10, 5, 5, 7], [24, 8, 6, 8]]) {
  Deno.test({
    name: `half-precision patches of ${patch} from ${image} pixels, stored ${stored}`,
    ...sharesDevice,
  }, async () => {
    const examples = 4, tokens = (image / patch) ** 2, length = patch ** 2 * 3;
    const bytes = new Uint8Array(examples * image ** 2 * 3).map((_, at) => (at * 7919 >> 3) & 0xff);
    const words = new Uint32Array(bytes.buffer);
    const kernel = halfInput(randomInput(1, [stored ** 2 * 3, width]));
    const bias = randomInput(2, [width]), position = randomInput(3, [tokens, width]);
    const host = {
      kernel: Float64Array.from(kernel.data),
      bias: Float64Array.from(bias.data),
      position: Float64Array.from(position.data),
    };
    await checkOp({
      activations,
      inputs: {
        pixels: { shape: [examples, words.length / examples], data: words },
        kernel: kernel.input,
        bias,
        position,
      },
      op: (graph, { pixels, ...parameters }) =>
        embedPatches(
          graph,
          pixels,
          { kernel: parameters.kernel, bias: parameters.bias, position: parameters.position },
          image,
          patch,
        ),
      reference: (dy) => {
        const { dkernel, dbias, dposition } = embedPatchesBackward(bytes, host, dy, image, patch);
        return {
          output: {
            value: expectedPatches(bytes, host, image, patch),
            reduction: length + stored ** 2,
            halves: 1,
          },
          gradients: {
            kernel: { value: dkernel, reduction: examples * tokens + patch ** 2, halves: 1 },
            bias: { value: dbias, reduction: examples * tokens },
            position: { value: dposition, reduction: examples + tokens },
          },
        };
      },
    });
  });
}

Deno.test("packed arithmetic is offered for two half-precision operands where the adapter has it, never first", () => {
  const offered = (halfPrecision: boolean, dtypes: [DType, DType]) =>
    matmulVariants(
      { m: 256, n: 256, k: 256, batch: 1, transposeA: false, transposeB: false, dtypes },
      { ...portableTraits, halfPrecision },
      true,
    ).map(({ name }) => name.endsWith("packed"));
  assert.ok(offered(true, ["f16", "f16"]).some((packed) => packed));
  assert.ok(!offered(true, ["f16", "f16"])[0]);
  for (const dtypes of [["f16", "f32"], ["f32", "f16"], ["f32", "f32"]] as [DType, DType][]) {
    assert.ok(!offered(true, dtypes).some((packed) => packed), `${dtypes}`);
  }
  assert.ok(!offered(false, ["f16", "f16"]).some((packed) => packed));
});

Deno.test({ name: "conversion rounds once, and back is exact", ...sharesDevice }, async () => {
  const x = randomInput(1, [65 * 4]);
  const there = await runOp({ x }, (graph, t) => convert(graph, t.x, "f16", "half"));
  assertClose(there.output, x.data, { name: "half", reduction: 1, halves: 1 });
  assert.deepEqual(there.output, new Float32Array(new Float16Array(there.output)), "it is half precision");
  const half = halfInput(x);
  const back = await runOp({ half: half.input }, (graph, t) => convert(graph, t.half, "f32", "whole"));
  assert.deepEqual(back.output, half.data);
  const graph = new Graph();
  assert.throws(() => convert(graph, graph.temporary("odd", [6]), "f16", "half"), {
    name: "RangeError",
    message: /6 elements of "odd".*multiple of 4/,
  });
});

Deno.test(
  { name: "products of half-precision operands are tuned as a class of their own", ...sharesDevice },
  async () => {
    const graph = new Graph(device);
    for (const dtype of ["f32", "f16"] as const) {
      matmul(graph, graph.temporary("a", [60, 32], dtype), graph.temporary("b", [32, 64], dtype));
    }
    assert.deepEqual([...graph.choices.keys()], ["matmul NN 64×64×32", "matmul NN 64×64×32 f16·f16"]);
    const choice = graph.choices.get("matmul NN 64×64×32 f16·f16")!;
    const [{ times, winner }] = await tune(device, [choice]);
    device.tuned.delete(choice.key);
    assert.ok(times.every(({ milliseconds }) => milliseconds !== null), "every variant computes the same");
    assert.ok(choice.variants.includes(winner));
  },
);

Deno.test("what cannot read half precision refuses it by name", () => {
  const graph = new Graph(), half = graph.temporary("half", [8, 4], "f16");
  assert.throws(() => gatherRows(graph, half, graph.temporary("indices", [2], "u32")), {
    name: "TypeError",
    message: /"gather\.rows" on f16: "half" is bound to "x_vectors"/,
  });
  assert.throws(
    () => layerNorm(graph, half, graph.temporary("w", [4]), graph.temporary("b", [4])),
    TypeError,
  );
});

Deno.test("a tensor in half precision takes half the bytes, its rows too", () => {
  const x = new Tensor(new TensorStorage("x", 8 * 64 * 2), [8, 64], "f16");
  assert.equal(x.sizeBytes, 8 * 64 * 2);
  assert.equal(x.rows(2, 4).offsetBytes, 2 * 64 * 2);
  assert.throws(() => x.rows(1, 2), { name: "RangeError", message: /byte 128,/ });
});
