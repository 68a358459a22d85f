/** Attention of half-precision queries, keys and values: every variant against float64. */
import { lastTokenAttention, pooledAttention, selfAttention } from "../../src/ops/attention.ts";
import { attentionVariants } from "../../src/ops/attention_variants.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { attention, attentionBackward } from "../reference/attention.ts";
import { checkOp } from "./check_op.ts";
import { halfInput, randomInput } from "./run_graph.ts";

const { traits } = await testDevice();
const activations = "f16" as const;

/** Columns `first` … `first + width` − 1 of a matrix. */
function columns(x: ArrayLike<number>, stride: number, first: number, width: number): Float64Array {
  return Float64Array.from(
    { length: x.length / stride * width },
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

// [B, T, H, K]
for (
  const [examples, tokens, heads, headWidth] of [[3, 5, 2, 8], [2, 65, 3, 12], [4, 49, 3, 32], [
    1,
    130,
    1,
    64,
  ]]
) {
  const width = heads * headWidth;
  // The output that the gradients use is a stored one; they round with its columns.
  const tolerance = { reduction: headWidth + tokens, scale: 4 };
  const geometry = { queries: tokens, keys: tokens, headWidth, sharedQueries: false };
  const fitting = (queries: number, sharedQueries: boolean) =>
    attentionVariants({ ...geometry, queries, sharedQueries })
      .filter(({ workgroupBytes }) => workgroupBytes <= traits.workgroupBytes).map(({ name }) => name);
  Deno.test(
    { name: `half-precision attention of ${[examples, tokens, heads, headWidth]}`, ...sharesDevice },
    async () => {
      const qkv = halfInput(randomInput(1, [examples * tokens, 3 * width]));
      const [q, k, v] = [0, 1, 2].map((part) => columns(qkv.data, 3 * width, part * width, width));
      const size = { examples, queries: tokens, keys: tokens, heads, width };
      for (const variant of fitting(tokens, false)) {
        await checkOp({
          activations,
          sums: false,
          inputs: { qkv: qkv.input },
          op: (graph, t) => selfAttention(graph, t.qkv, { examples, heads, variant }),
          reference: (dy) => {
            const { dq, dk, dv } = attentionBackward({ q, k, v }, dy, size);
            return {
              output: { value: attention({ q, k, v }, size).out, ...tolerance, halves: 1 },
              gradients: { qkv: { value: sideBySide(width, dq, dk, dv), ...tolerance, halves: headWidth } },
            };
          },
        });
      }
      const last = (x: Float64Array) =>
        Float64Array.from(
          { length: examples * width },
          (_, at) => x[((Math.floor(at / width) + 1) * tokens - 1) * width + at % width],
        );
      await checkOp({
        activations,
        sums: false,
        inputs: { qkv: qkv.input },
        op: (graph, t) => lastTokenAttention(graph, t.qkv, { examples, heads }),
        reference: (dy) => {
          const one = { ...size, queries: 1 }, own = { q: last(q), k, v };
          const { dq, dk, dv } = attentionBackward(own, dy, one),
            all = new Float64Array(examples * tokens * width);
          for (let b = 0; b < examples; b++) {
            all.set(dq.subarray(b * width, (b + 1) * width), ((b + 1) * tokens - 1) * width);
          }
          return {
            output: { value: attention(own, one).out, ...tolerance, halves: 1 },
            gradients: { qkv: { value: sideBySide(width, all, dk, dv), ...tolerance, halves: headWidth } },
          };
        },
      });
    },
  );
  Deno.test(
    { name: `half-precision pooling of ${[examples, tokens, heads, headWidth]}`, ...sharesDevice },
    async () => {
      const q = halfInput(randomInput(1, [1, width])),
        kv = halfInput(randomInput(2, [examples * tokens, 2 * width]));
      const [k, v] = [0, 1].map((part) => columns(kv.data, 2 * width, part * width, width));
      const size = { examples, queries: 1, keys: tokens, heads, width, sharedQueries: true },
        own = { q: q.data, k, v };
      for (const variant of fitting(1, true)) {
        await checkOp({
          activations,
          inputs: { q: q.input, kv: kv.input },
          op: (graph, t) => pooledAttention(graph, t.q, t.kv, { examples, heads, variant }),
          reference: (dy) => {
            const { dq, dk, dv } = attentionBackward(own, dy, size), summed = new Float64Array(width);
            dq.forEach((value, at) => summed[at % width] += value);
            return {
              output: { value: attention(own, size).out, ...tolerance, halves: 1 },
              gradients: {
                q: { value: summed, ...tolerance, halves: headWidth },
                kv: { value: sideBySide(width, dk, dv), ...tolerance, halves: headWidth },
              },
            };
          },
        });
      }
    },
  );
}
