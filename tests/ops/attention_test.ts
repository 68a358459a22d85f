import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { pooledAttention, selfAttention } from "../../src/ops/attention.ts";
import { sharesDevice } from "../gpu/device.ts";
import { attention, attentionBackward, type AttentionSize } from "../reference/attention.ts";
import { checkOp } from "./check_op.ts";
import { type Input, randomInput } from "./run_graph.ts";

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

type Case = [examples: number, tokens: number, heads: number, headWidth: number, deviation?: number];

// Head widths from 4 to ViT's 64; the last attends to few keys with scores around ±100.
const selfCases: Case[] = [[1, 1, 1, 4], [3, 5, 2, 8], [2, 65, 3, 12], [1, 130, 1, 64], [4, 49, 3, 32], [
  2,
  9,
  2,
  16,
  10,
]];

for (const [examples, tokens, heads, headWidth, deviation = 1] of selfCases) {
  const name =
    `self-attention of ${examples} × ${tokens} tokens, ${heads} heads of ${headWidth}, deviation ${deviation}`;
  Deno.test({ name, ...sharesDevice }, async () => {
    const width = heads * headWidth;
    const qkv = randomInput(1, [examples * tokens, 3 * width], deviation);
    const [q, k, v] = [0, 1, 2].map((part) => columns(qkv.data, 3 * width, part * width, width));
    const size: AttentionSize = { examples, queries: tokens, keys: tokens, heads, width };
    await checkOp({
      sums: false,
      inputs: { qkv },
      op: (graph, t) => selfAttention(graph, t.qkv, { examples, heads }),
      reference: (dy) => {
        const { dq, dk, dv } = attentionBackward({ q, k, v }, dy, size);
        // Scores are sums of headWidth products around deviation²: an error there scales the weights.
        const scale = 4 * deviation ** 3;
        return {
          output: { value: attention({ q, k, v }, size).out, reduction: headWidth + tokens, scale },
          gradients: {
            qkv: {
              value: sideBySide(width, dq, dk, dv),
              reduction: headWidth + tokens,
              scale: scale * deviation,
            },
          },
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

// A mask lists each example's keys; the example of "0000…" may attend to none and must give zeros.
const pooledCases: PooledCase[] = [
  [1, 1, 1, 1, 4],
  [3, 1, 65, 2, 8],
  [5, 3, 7, 2, 12],
  [4, 1, 49, 3, 64],
  [3, 2, 5, 2, 8, "10110 00000 01000"],
];

for (const [examples, queries, keys, heads, headWidth, pattern] of pooledCases) {
  const name =
    `pooled attention of ${examples} × ${keys} keys by ${queries} queries, ${heads} heads of ${headWidth}` +
    (pattern ? `, mask ${pattern}` : "");
  Deno.test({ name, ...sharesDevice }, async () => {
    const width = heads * headWidth;
    const q = randomInput(1, [queries, width]), kv = randomInput(2, [examples * keys, 2 * width]);
    const mask: Input | undefined = pattern === undefined
      ? undefined
      : { shape: [examples, keys], data: Uint32Array.from(pattern.replaceAll(" ", ""), Number) };
    await checkOp({
      inputs: { q, kv, ...mask && { mask } },
      op: (graph, t) => pooledAttention(graph, t.q, t.kv, { examples, heads, mask: t.mask }),
      reference: (dy) => {
        const out = new Float64Array(examples * queries * width), dq = new Float64Array(queries * width);
        const dkv = new Float64Array(kv.data.length);
        const size: AttentionSize = { examples: 1, queries, keys, heads, width, sharedQueries: true };
        for (let b = 0; b < examples; b++) {
          const slice = <T extends Float32Array | Uint32Array>(x: T) =>
            x.subarray(b * x.length / examples, (b + 1) * x.length / examples);
          const attended = mask && slice(mask.data);
          if (attended?.every((word) => word === 0)) continue;
          const own = slice(kv.data), outAt = b * queries * width;
          const k = columns(own, 2 * width, 0, width), v = columns(own, 2 * width, width, width);
          const inputs = { q: q.data, k, v, mask: attended };
          const gradients = attentionBackward(inputs, slice(dy), size);
          out.set(attention(inputs, size).out, outAt);
          dkv.set(sideBySide(width, gradients.dk, gradients.dv), b * keys * 2 * width);
          gradients.dq.forEach((value, at) => dq[at] += value);
        }
        const reduction = headWidth + keys, scale = 4;
        return {
          output: { value: out, reduction, scale },
          gradients: {
            q: { value: dq, reduction: reduction + examples, scale },
            kv: { value: dkv, reduction: headWidth + queries, scale },
          },
        };
      },
    });
  });
}

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
