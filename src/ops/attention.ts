import { linearGrid } from "../gpu/recorder.ts";
import { attention as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { sumRows } from "./sum_rows.ts";

const WORKGROUP = 64;

/** How attention reads its operands. */
export interface AttentionOptions {
  readonly examples: number;
  readonly heads: number;
  /** [B, Tk] u32, 1 where a key may be attended; all may when left out. */
  readonly mask?: Tensor | null;
}

/**
 * Self-attention over a joint projection, with its gradient.
 *
 * @param qkv [B·T, 3D], columns q | k | v, head h in columns h·K … (h + 1)·K of each
 * @returns [B·T, D]
 * @throws RangeError when the head width is no multiple of 4
 */
export function selfAttention(graph: Graph, qkv: Tensor, options: AttentionOptions): Tensor {
  const [rows, columns] = qkv.shape;
  const width = columns / 3, tokens = rows / options.examples;
  const call = attentionCall(graph, { q: qkv, kv: qkv, mask: options.mask ?? null }, {
    examples: options.examples,
    queries: tokens,
    keys: tokens,
    heads: options.heads,
    width,
    sharedQueries: false,
    columns: { q: 0, k: width, v: 2 * width },
  });
  return graph.differentiate(call.out, [qkv], (dout) => {
    graph.contribute(qkv, (addend) => {
      if (addend) throw new Error("A joint projection feeds one attention only");
      const dqkv = graph.temporary(`d ${qkv.label}`, qkv.shape);
      call.backward(dout, dqkv, dqkv);
      return dqkv;
    });
  });
}

/**
 * Attention of queries that all examples share, such as a pooling head's probe, over a joint projection of the keys
 * and values, with its gradient.
 *
 * @param q [Tq, D]
 * @param kv [B·Tk, 2D], columns k | v
 * @returns [B·Tq, D]
 */
export function pooledAttention(graph: Graph, q: Tensor, kv: Tensor, options: AttentionOptions): Tensor {
  const [queries, width] = q.shape;
  const { examples, heads } = options;
  const call = attentionCall(graph, { q, kv, mask: options.mask ?? null }, {
    examples,
    queries,
    keys: kv.shape[0] / examples,
    heads,
    width,
    sharedQueries: true,
    columns: { q: 0, k: 0, v: width },
  });
  return graph.differentiate(call.out, [q, kv], (dout) => {
    const dq = graph.temporary(`d ${q.label}`, [examples, queries * width]);
    const dkv = graph.temporary(`d ${kv.label}`, kv.shape);
    call.backward(dout, dq, dkv);
    graph.contribute(
      q,
      (addend) =>
        sumRows(graph, dq, addend?.reshape(queries * width) ?? null, `d ${q.label}`).reshape(queries, width),
    );
    graph.passBack(kv, dkv);
  });
}

interface Geometry {
  readonly examples: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads: number;
  readonly width: number;
  readonly sharedQueries: boolean;
  /** First columns of q, k and v in their matrices. */
  readonly columns: { readonly q: number; readonly k: number; readonly v: number };
}

interface AttentionCall {
  readonly out: Tensor;
  backward(dout: Tensor, dq: Tensor, dkv: Tensor): void;
}

function attentionCall(
  graph: Graph,
  { q, kv, mask }: { q: Tensor; kv: Tensor; mask: Tensor | null },
  { examples, queries, keys, heads, width, sharedQueries, columns }: Geometry,
): AttentionCall {
  const headWidth = width / heads;
  if (headWidth % 4 !== 0) {
    throw new RangeError(
      `Cannot split a width of ${width} into ${heads} heads: each would have ${headWidth} columns, and attention ` +
        `needs a multiple of 4`,
    );
  }
  const qStride = q.shape.at(-1)! / 4;
  const params = {
    examples,
    queries,
    keys,
    heads,
    q_stride: qStride,
    q_column: columns.q / 4,
    q_shared: sharedQueries ? 1 : 0,
    k_stride: kv.shape.at(-1)! / 4,
    k_column: columns.k / 4,
    v_column: columns.v / 4,
    dq_stride: qStride,
    dq_column: columns.q / 4,
    scale: 1 / Math.sqrt(headWidth),
  };
  const constants = { HEAD_WIDTH: headWidth, MASK: mask !== null, WORKGROUP };
  const perQuery = linearGrid(examples * heads * queries, WORKGROUP);
  const products = examples * queries * keys * width;
  const out = graph.temporary(`attention of ${kv.label}`, [examples * queries, width]);
  const lse = graph.temporary(`lse of ${kv.label}`, [examples * heads * queries]);
  const operands = { q, k: kv, v: kv, mask: mask ?? graph.nothing };
  graph.dispatch(shader, "forward", { params, ...operands, out, lse_out: lse }, {
    workgroups: perQuery,
    constants,
    flops: 4 * products,
  });
  const backward = (dout: Tensor, dq: Tensor, dkv: Tensor) => {
    const delta = graph.temporary(`delta of ${kv.label}`, lse.shape);
    graph.dispatch(shader, "backward_delta", { params, out_in: out, dout, delta_out: delta }, {
      workgroups: perQuery,
      constants,
    });
    graph.dispatch(shader, "backward_query", { params, ...operands, dout, lse, delta, dq }, {
      workgroups: perQuery,
      constants,
      flops: 6 * products,
    });
    graph.dispatch(shader, "backward_key", { params, ...operands, dout, lse, delta, dkv }, {
      workgroups: linearGrid(examples * heads * keys, WORKGROUP),
      constants,
      flops: 8 * products,
    });
  };
  return { out, backward };
}
