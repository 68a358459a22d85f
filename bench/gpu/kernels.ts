/**
 * Every variant of the matrix products and of attention at given shapes: right, and how fast.
 *
 * @module
 */

import type { AdapterTraits } from "../../src/gpu/device.ts";
import { Graph, type Target } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import { selfAttention } from "../../src/ops/attention.ts";
import { attentionVariants, rankedAttentionVariants } from "../../src/ops/attention_variants.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { matmulVariants } from "../../src/ops/matmul_variants.ts";
import { attention as expectedAttention, attentionBackward } from "../../tests/reference/attention.ts";
import { assertClose } from "../../tests/reference/compare.ts";
import { noise, programMilliseconds, readAt } from "./measure.ts";
import { attempt, data, flopRate, header, row, type SectionContext, write } from "./section.ts";

/** C [m, n] sums over k; with T in the form a factor is stored transposed. */
interface Product {
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly form: "NN" | "NT" | "TN";
  /** Its output is a gradient or a plain product, so that k may be cut. */
  readonly splittable: boolean;
}

/** The products that are timed, those that matter most first. */
export function products(quick: boolean): Product[] {
  const width = quick ? 96 : 768, rows = quick ? 512 : 64 * 256, side = quick ? 256 : 4096;
  const small = quick ? 128 : 512;
  const square = (side: number, form: Product["form"]) => ({
    name: `${side}³ ${form}`,
    m: side,
    n: side,
    k: side,
    form,
    splittable: true,
  });
  const layer = (name: string, n: number, k: number): Product => ({
    name: `ViT-B/16 ${name}, [${rows}, ${k}]·[${k}, ${n}] NN`,
    m: rows,
    n,
    k,
    form: "NN",
    splittable: false,
  });
  return [
    square(side, "NN"),
    layer("mlp.in", 4 * width, width),
    {
      name: `ViT-B/16 mlp.in, d input, [${rows}, ${4 * width}]·[${width}, ${4 * width}]ᵀ NT`,
      m: rows,
      n: width,
      k: 4 * width,
      form: "NT",
      splittable: true,
    },
    {
      name: `ViT-B/16 mlp.in, d weight, [${rows}, ${width}]ᵀ·[${rows}, ${4 * width}] TN`,
      m: width,
      n: 4 * width,
      k: rows,
      form: "TN",
      splittable: true,
    },
    layer("mlp.out", width, 4 * width),
    layer("qkv", 3 * width, width),
    layer("projection", width, width),
    square(small, "NN"),
    square(side, "NT"),
    square(side, "TN"),
  ];
}

/** The adapter as what it is and as what it is not, so that every family of kernels runs. */
function bothKinds(traits: AdapterTraits): AdapterTraits[] {
  return [traits, { ...traits, software: !traits.software }];
}

/** Entries of every result that are computed anew in float64. */
const SAMPLES = 256;

/** All variants of one product; the default first, then what a tuner would try, then what is for other adapters. */
export async function product({ device, part, quick, peaks, left }: SectionContext): Promise<void> {
  const { name, m, n, k, form, splittable } = products(quick).find(({ name }) => name === part)!;
  const [transposeA, transposeB] = [form === "TN", form === "NT"];
  const a = noise(m * k, 1), b = noise(k * n, 2), random = noise(2 * SAMPLES, 3);
  const places = Array.from({ length: SAMPLES }, (_, i) => {
    const [row, column] = i < 4 // the corners, then anywhere
      ? [i & 1 ? m - 1 : 0, i & 2 ? n - 1 : 0]
      : [m, n].map((length, axis) => Math.floor((random[2 * i + axis] + 0.5) * length));
    return row * n + column;
  });
  const expected = places.map((place) => {
    const row = Math.floor(place / n), column = place % n;
    let sum = 0;
    for (let l = 0; l < k; l++) {
      sum += a[transposeA ? l * m + row : row * k + l] * b[transposeB ? column * k + l : l * n + column];
    }
    return sum;
  });
  const made: GPUBuffer[] = [];
  const buffer = (label: string, words: number) => {
    made.push(device.createBuffer(label, words * 4));
    return made.at(-1)!;
  };
  const [left_, right, out] = await device.validated(
    `the matrices of ${name}`,
    () => [buffer("a", m * k), buffer("b", k * n), buffer("c", m * n)],
  );
  device.write(left_, a);
  device.write(right, b);
  const range = (buffer: GPUBuffer) => ({ buffer, offsetBytes: 0, sizeBytes: buffer.size });
  header("variant", "GFLOP/s", "share of the peak", "error, share of the allowed");
  const shape = { m, n, k, batch: 1, transposeA, transposeB }, seen = new Set<string>();
  const results: { variant: string; kind: string; flopsPerSecond: number }[] = [];
  // What is for other adapters is tried once: it is hardly ever fast.
  const kinds = name === products(quick)[0].name ? bothKinds(device.traits) : [device.traits];
  for (const [other, traits] of kinds.entries()) {
    const target: Target = { traits, tuned: new Map() };
    for (const [at, { name: variant }] of matmulVariants(shape, traits, splittable).entries()) {
      if (seen.has(variant)) continue;
      seen.add(variant);
      const kind = other ? "for other adapters" : at === 0 ? "default" : "candidate";
      if (left() < 3) {
        row(variant, "left out: the time is spent");
        continue;
      }
      await attempt(variant, async () => {
        const graph = new Graph(target);
        const x = graph.external("a", transposeA ? [k, m] : [m, k], range(left_));
        const y = graph.external("b", transposeB ? [n, k] : [k, n], range(right));
        const bias = splittable ? undefined : graph.constant("bias", [n], new Float32Array(n));
        graph.place(matmul(graph, x, y, { transposeA, transposeB, bias, variant }), range(out));
        const fill = device.gpu.createCommandEncoder();
        fill.clearBuffer(out); // so that what the variant before it left cannot pass for its result
        device.gpu.queue.submit([fill.finish()]);
        using program = await Program.compile(device, graph, variant);
        device.submit(program.recording);
        const actual = await readAt(device, out, places);
        const error = assertClose(actual, expected, { name: variant, reduction: k });
        const milliseconds = await programMilliseconds(device, program);
        const flopsPerSecond = 2 * m * n * k / milliseconds * 1000;
        results.push({ variant, kind, flopsPerSecond });
        row(`${variant} (${kind})`, ...flopRate(flopsPerSecond, peaks), error.toFixed(3));
      });
    }
  }
  for (const buffer of made) device.destroyBuffer(buffer);
  if (results.length === 0) return write("\nNo variant ran.");
  const best = results.reduce((a, b) => b.flopsPerSecond > a.flopsPerSecond ? b : a);
  write(`\nFastest: ${best.variant}, ${flopRate(best.flopsPerSecond, peaks)[1]} of the peak.`);
  data("products", { name, m, n, k, form, best, results });
}

/** All variants of self-attention at ViT-B/16's shape, forward and backward; one head is computed anew in float64. */
export async function attention({ device, quick, peaks }: SectionContext): Promise<void> {
  const [examples, tokens, heads, headWidth] = quick ? [4, 64, 3, 32] : [64, 256, 12, 64];
  const width = heads * headWidth,
    geometry = { queries: tokens, keys: tokens, headWidth, sharedQueries: false };
  write(`${examples} × ${tokens} tokens, ${heads} heads of ${headWidth}\n`);
  const qkv = noise(examples * tokens * 3 * width, 1), dout = noise(examples * tokens * width, 2);
  // The last head of the last example.
  const columns = (x: Float32Array, stride: number, first: number) =>
    Float64Array.from({ length: tokens * headWidth }, (_, i) => {
      const token = (examples - 1) * tokens + Math.floor(i / headWidth);
      return x[token * stride + first + i % headWidth];
    });
  const last = width - headWidth;
  const [q, k, v] = [0, 1, 2].map((third) => columns(qkv, 3 * width, third * width + last));
  const size = { examples: 1, queries: tokens, keys: tokens, heads: 1, width: headWidth };
  const forward = expectedAttention({ q, k, v }, size).out;
  const backward = attentionBackward({ q, k, v }, columns(dout, width, last), size);
  const ranked = rankedAttentionVariants(geometry, device.traits);
  const { workgroupBytes: most, workgroupInvocations } = device.traits;
  header("variant", "forward, GFLOP/s", "of the peak", "with backward, GFLOP/s", "of the peak");
  const results: { variant: string; forward: number; withBackward: number }[] = [];
  for (const { name: variant, workgroupBytes, invocations } of attentionVariants(geometry)) {
    if (workgroupBytes > most || invocations > workgroupInvocations) {
      row(variant, "left out: the adapter's workgroups are too small");
      continue;
    }
    await attempt(variant, async () => {
      const flopsPerSecond = async (withBackward: boolean) => {
        const made: GPUBuffer[] = [];
        const placed = (label: string, data?: Float32Array<ArrayBuffer>, words = data!.length) => {
          const buffer = device.createBuffer(label, words * 4);
          made.push(buffer);
          if (data) device.write(buffer, data);
          return { buffer, offsetBytes: 0, sizeBytes: words * 4 };
        };
        try {
          const graph = new Graph(device);
          const input = graph.external("qkv", [examples * tokens, 3 * width], placed("qkv", qkv), {
            differentiable: withBackward,
          });
          const out = selfAttention(graph, input, { examples, heads, variant });
          const outRange = placed("out", undefined, out.size);
          graph.place(out, outRange);
          let gradient: typeof outRange | undefined;
          if (withBackward) {
            graph.backward([[out, graph.external("dout", out.shape, placed("dout", dout))]]);
            gradient = placed("dqkv", undefined, input.size);
            graph.place(graph.gradient(input)!, gradient);
          }
          using program = await Program.compile(device, graph, variant);
          device.submit(program.recording);
          const whole = async ({ buffer, sizeBytes }: typeof outRange) =>
            new Float32Array(await device.read(buffer, 0, sizeBytes));
          const close = (actual: Float64Array, expected: Float64Array, name: string) =>
            assertClose(actual, expected, { name, reduction: tokens + headWidth, scale: 1 });
          close(columns(await whole(outRange), width, last), forward, "output");
          if (gradient) {
            const dqkv = await whole(gradient);
            [backward.dq, backward.dk, backward.dv].forEach((expected, third) =>
              close(columns(dqkv, 3 * width, third * width + last), expected, ["dq", "dk", "dv"][third])
            );
          }
          return program.flops() / await programMilliseconds(device, program) * 1000;
        } finally {
          for (const buffer of made) device.destroyBuffer(buffer);
        }
      };
      const result = {
        variant,
        forward: await flopsPerSecond(false),
        withBackward: await flopsPerSecond(true),
      };
      results.push(result);
      row(
        variant === ranked[0] ? `${variant} (default)` : variant,
        ...flopRate(result.forward, peaks),
        ...flopRate(result.withBackward, peaks),
      );
    });
  }
  data("attention", { examples, tokens, heads, headWidth, results });
}
