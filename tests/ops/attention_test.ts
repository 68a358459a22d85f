import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { lastTokenAttention, pooledAttention, selfAttention } from "../../src/ops/attention.ts";
import {
  type AttentionGeometry,
  type AttentionVariantName,
  attentionVariants,
} from "../../src/ops/attention_variants.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import {
  attention,
  attentionBackward,
  type AttentionInputs,
  type AttentionSize,
} from "../reference/attention.ts";
import { checkOp, type OpCase } from "./check_op.ts";
import { type GuardedResult, type Input, randomInput, runOp } from "./run_graph.ts";

type Op = OpCase["op"];

/** Columns `first` … `first + width` − 1 of a matrix. */
function columns(x: ArrayLike<number>, stride: number, first: number, width: number): Float64Array {
  const rows = x.length / stride;
  return Float64Array.from(
    { length: rows * width },
    (_, at) => x[Math.floor(at / width) * stride + first + at % width],
  );
}

/** Matrices [rows, width] side by side. */
function sideBySide(width: number, ...parts: Float64Array[]): Float64Array {
  return Float64Array.from({ length: parts.length * parts[0].length }, (_, at) => {
    const row = Math.floor(at / (parts.length * width)), column = at % (parts.length * width);
    return parts[Math.floor(column / width)][row * width + column % width];
  });
}

/** Masks as text, examples apart by blanks: 1 where a key may be attended. */
function maskInput(pattern: string): Input {
  const examples = pattern.split(" ");
  return {
    shape: [examples.length, examples[0].length],
    data: Uint32Array.from(examples.join(""), Number),
  };
}

/**
 * Attention and its gradients, dq [B, Tq, D], an example at a time: one that may attend to nothing gives zeros, which
 * the reference has no weights for.
 */
function expected(inputs: AttentionInputs, dout: Float32Array, size: AttentionSize) {
  const { examples, queries, keys, width, sharedQueries = false } = size;
  const out = new Float64Array(examples * queries * width), dq = new Float64Array(out.length);
  const dk = new Float64Array(examples * keys * width), dv = new Float64Array(dk.length);
  for (let b = 0; b < examples; b++) {
    const part = (x: ArrayLike<number>) =>
      Array.prototype.slice.call(x, b * x.length / examples, (b + 1) * x.length / examples) as number[];
    const mask = inputs.mask && part(inputs.mask);
    if (mask?.every((word) => word === 0)) continue;
    const q = sharedQueries ? inputs.q : part(inputs.q);
    const own = { q, k: part(inputs.k), v: part(inputs.v), mask }, one = { ...size, examples: 1 };
    const gradients = attentionBackward(own, part(dout), one);
    out.set(attention(own, one).out, b * queries * width);
    dq.set(gradients.dq, b * queries * width);
    dk.set(gradients.dk, b * keys * width);
    dv.set(gradients.dv, b * keys * width);
  }
  return { out, dq, dk, dv };
}

/** Runs `check` as a step for every variant that this adapter can run. */
async function everyVariant(
  t: Deno.TestContext,
  geometry: AttentionGeometry,
  check: (variant: AttentionVariantName) => Promise<void>,
): Promise<void> {
  const { limits } = (await testDevice()).gpu;
  for (const { name, workgroupBytes } of attentionVariants(geometry)) {
    if (workgroupBytes > limits.maxComputeWorkgroupStorageSize) continue;
    await t.step({ name, fn: () => check(name), ...sharesDevice });
  }
}

interface SelfCase {
  readonly size: readonly [examples: number, tokens: number, heads: number, headWidth: number];
  readonly deviation?: number;
  readonly mask?: string;
  readonly causal?: boolean;
}

// Compiling takes the time, so cases share head widths.
const selfCases: SelfCase[] = [
  { size: [1, 1, 1, 8] },
  { size: [3, 5, 2, 8] },
  { size: [2, 65, 3, 12] },
  { size: [1, 130, 1, 64] },
  { size: [4, 49, 3, 32] },
  { size: [2, 5, 1, 48] },
  { size: [1, 196, 2, 4] },
  { size: [1, 257, 1, 32] },
  // Few keys matter when scores are around ±100.
  { size: [2, 5, 2, 8], deviation: 10 },
  { size: [1, 70, 1, 8], deviation: 10 },
  { size: [3, 5, 2, 8], mask: "11000 00000 01010" },
  { size: [3, 5, 2, 8], causal: true },
  { size: [2, 65, 3, 12], causal: true },
  { size: [1, 130, 1, 64], causal: true },
  { size: [2, 77, 2, 8], causal: true, mask: `${"1".repeat(77)} 1${"0".repeat(75)}1` },
  // Padded text; nothing in a text; first tiles without a key.
  {
    size: [3, 70, 1, 8],
    mask: `${"1".repeat(41)}${"0".repeat(29)} ${"0".repeat(70)} ${"0".repeat(66)}1011`,
  },
];

for (
  const { size: [examples, tokens, heads, headWidth], deviation = 1, mask: pattern, causal } of selfCases
) {
  const name =
    `self-attention of ${examples} × ${tokens} tokens, ${heads} heads of ${headWidth}, deviation ${deviation}` +
    (pattern ? ", masked" : "") + (causal ? ", causal" : "");
  Deno.test({ name, ...sharesDevice }, async (t) => {
    const width = heads * headWidth;
    const qkv = randomInput(1, [examples * tokens, 3 * width], deviation);
    const [q, k, v] = [0, 1, 2].map((part) => columns(qkv.data, 3 * width, part * width, width));
    const mask = pattern === undefined ? undefined : maskInput(pattern);
    const size: AttentionSize = { examples, queries: tokens, keys: tokens, heads, width, causal };
    await everyVariant(t, { ...size, headWidth, sharedQueries: false }, (variant) =>
      checkOp({
        sums: false,
        inputs: { qkv, ...mask && { mask } },
        op: (graph, t) => selfAttention(graph, t.qkv, { examples, heads, mask: t.mask, causal, variant }),
        reference: (dy) => {
          const { out, dq, dk, dv } = expected({ q, k, v, mask: mask?.data }, dy, size);
          // Scores are sums of headWidth products around deviation²: an error there scales the weights.
          const scale = 4 * deviation ** 3, reduction = headWidth + tokens;
          return {
            output: { value: out, reduction, scale },
            gradients: {
              qkv: { value: sideBySide(width, dq, dk, dv), reduction, scale: scale * deviation },
            },
          };
        },
      }));
  });
}

// [B, T, H, K]; the mask leaves the second text nothing.
for (
  const [size, pattern] of [[[1, 1, 1, 8]], [[3, 5, 2, 8]], [[2, 65, 3, 12]], [
    [2, 5, 2, 8],
    "11010 00000",
  ]] as const
) {
  const [examples, tokens, heads, headWidth] = size as readonly number[];
  const name = `the last token's attention of ${size}${pattern ? ", masked" : ""}`;
  Deno.test({ name, ...sharesDevice }, async () => {
    const width = heads * headWidth, rows = examples * tokens;
    const qkv = randomInput(1, [rows, 3 * width]);
    const [q, k, v] = [0, 1, 2].map((part) => columns(qkv.data, 3 * width, part * width, width));
    const mask = pattern === undefined ? undefined : maskInput(pattern);
    const lastOf = (x: Float64Array) =>
      Float64Array.from({ length: examples * width }, (_, at) => {
        const example = Math.floor(at / width);
        return x[((example + 1) * tokens - 1) * width + at % width];
      });
    await checkOp({
      sums: false,
      inputs: { qkv, ...mask && { mask } },
      op: (graph, t) => lastTokenAttention(graph, t.qkv, { examples, heads, mask: t.mask }),
      reference: (dy) => {
        const size: AttentionSize = { examples, queries: 1, keys: tokens, heads, width };
        const { out, dq, dk, dv } = expected({ q: lastOf(q), k, v, mask: mask?.data }, dy, size);
        const dqAll = new Float64Array(rows * width);
        for (let example = 0; example < examples; example++) {
          dqAll.set(
            dq.subarray(example * width, (example + 1) * width),
            ((example + 1) * tokens - 1) * width,
          );
        }
        const reduction = headWidth + tokens;
        return {
          output: { value: out, reduction, scale: 4 },
          gradients: { qkv: { value: sideBySide(width, dqAll, dk, dv), reduction, scale: 4 } },
        };
      },
    });
  });
}

type PooledCase = [
  examples: number,
  queries: number,
  keys: number,
  heads: number,
  headWidth: number,
  mask?: string,
];

const pooledCases: PooledCase[] = [
  [1, 1, 1, 1, 12],
  [3, 1, 65, 2, 12],
  [5, 3, 7, 2, 8],
  [4, 1, 49, 3, 64],
  [2, 1, 130, 1, 64],
  [1, 1, 257, 2, 12],
  [3, 2, 5, 2, 8, "10110 00000 01000"],
  [3, 1, 5, 2, 8, "10110 00000 01000"],
  [2, 1, 70, 1, 8, `${"1".repeat(41)}${"0".repeat(29)} ${"0".repeat(66)}1011`],
];

for (const [examples, queries, keys, heads, headWidth, pattern] of pooledCases) {
  const name =
    `pooled attention of ${examples} × ${keys} keys by ${queries} queries, ${heads} heads of ${headWidth}` +
    (pattern ? ", masked" : "");
  Deno.test({ name, ...sharesDevice }, async (t) => {
    const width = heads * headWidth;
    const q = randomInput(1, [queries, width]), kv = randomInput(2, [examples * keys, 2 * width]);
    const [k, v] = [0, 1].map((part) => columns(kv.data, 2 * width, part * width, width));
    const mask = pattern === undefined ? undefined : maskInput(pattern);
    const size: AttentionSize = { examples, queries, keys, heads, width, sharedQueries: true };
    await everyVariant(t, { ...size, headWidth, sharedQueries: true }, (variant) =>
      checkOp({
        inputs: { q, kv, ...mask && { mask } },
        op: (graph, t) => pooledAttention(graph, t.q, t.kv, { examples, heads, mask: t.mask, variant }),
        reference: (dy) => {
          const { out, dq, dk, dv } = expected({ q: q.data, k, v, mask: mask?.data }, dy, size);
          const summed = new Float64Array(queries * width);
          dq.forEach((value, at) => summed[at % summed.length] += value);
          const reduction = headWidth + keys, scale = 4;
          return {
            output: { value: out, reduction, scale },
            gradients: {
              q: { value: summed, reduction: reduction + examples, scale },
              kv: { value: sideBySide(width, dk, dv), reduction: headWidth + queries, scale },
            },
          };
        },
      }));
  });
}

Deno.test({ name: "every variant gives the same bits in every run", ...sharesDevice }, async (t) => {
  const examples = 2, keys = 70, heads = 2, headWidth = 8, width = heads * headWidth;
  const bits = ({ output, gradients }: GuardedResult) =>
    [output, ...gradients.values()].map((x) => new Uint32Array(x.slice().buffer));
  const seed = ({ shape }: Tensor) => randomInput(99, shape).data;
  const options = { examples, heads };
  const qkv = randomInput(1, [examples * keys, 3 * width]);
  const geometry = { queries: keys, keys, headWidth, sharedQueries: false };
  await everyVariant(t, geometry, async (variant) => {
    const op: Op = (graph, t) => selfAttention(graph, t.qkv, { ...options, variant });
    assert.deepEqual(bits(await runOp({ qkv }, op, seed)), bits(await runOp({ qkv }, op, seed)));
  });
  const inputs = { q: randomInput(1, [1, width]), kv: randomInput(2, [examples * keys, 2 * width]) };
  await everyVariant(t, { ...geometry, queries: 1, sharedQueries: true }, async (variant) => {
    const op: Op = (graph, t) => pooledAttention(graph, t.q, t.kv, { ...options, variant });
    assert.deepEqual(bits(await runOp(inputs, op, seed)), bits(await runOp(inputs, op, seed)));
  });
});

Deno.test("attention refuses a head width that is no multiple of 4", () => {
  const graph = new Graph(), qkv = graph.temporary("qkv", [5, 36]);
  assert.throws(() => selfAttention(graph, qkv, { examples: 1, heads: 2 }), {
    name: "RangeError",
    message: /12 into 2 heads.*6 columns.*multiple of 4/,
  });
});

Deno.test("a joint projection that feeds two attentions is refused", () => {
  const graph = new Graph(), range = { buffer: {} as GPUBuffer, offsetBytes: 0, sizeBytes: 5 * 24 * 4 };
  const qkv = graph.external("qkv", [5, 24], range, { differentiable: true });
  const out = [1, 2].map(() => selfAttention(graph, qkv, { examples: 1, heads: 2 }));
  const gradient = graph.temporary("gradient", [5, 8]);
  assert.throws(() => graph.backward(out.map((y) => [y, gradient])), /one attention only/);
});
