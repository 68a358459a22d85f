import { linearGrid, type Workgroups } from "../gpu/recorder.ts";
import {
  attentionDirect,
  attentionSingleQuery,
  attentionTiled,
  attentionTiledBackward,
} from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { type DType, elementCount, type Shape, type Tensor } from "../graph/tensor.ts";
import {
  type AttentionGeometry,
  type AttentionVariantName,
  attentionVariants,
  chunkVectors,
  rankedAttentionVariants,
  SINGLE_QUERY_WORKGROUP,
  TEAM,
  tiledBlock,
  type TiledName,
  type TiledPass,
} from "./attention_variants.ts";
import { sumRows } from "./sum_rows.ts";
import { MOST_TRIAL_ELEMENTS, shapeClass, wave } from "./trial.ts";

const WORKGROUP = 64;

/** How attention reads its operands. */
export interface AttentionOptions {
  readonly examples: number;
  readonly heads: number;
  /** [B, Tk] u32, 1 where a key may be attended; all may when left out. */
  readonly mask?: Tensor | null;
  /** Whether query t attends to the keys 0 … t only; for {@link selfAttention}. False when left out. */
  readonly causal?: boolean;
  /** Takes this variant instead of the tuned or default one. */
  readonly variant?: AttentionVariantName;
}

/**
 * Self-attention over a joint projection, with its gradient.
 *
 * @param qkv [B·T, 3D], columns q | k | v, head h in columns h·K … (h + 1)·K of each
 * @returns [B·T, D]
 * @throws RangeError when the head width is no multiple of 4, or the variant cannot compute this attention
 */
export function selfAttention(graph: Graph, qkv: Tensor, options: AttentionOptions): Tensor {
  const [rows, columns] = qkv.shape;
  const width = columns / 3, tokens = rows / options.examples;
  const call = attentionCall(graph, { q: qkv, kv: qkv, mask: options.mask ?? null }, {
    examples: options.examples,
    queries: tokens,
    keys: tokens,
    heads: options.heads,
    headWidth: width / options.heads,
    sharedQueries: false,
    causal: options.causal ?? false,
    columns: { q: 0, k: width, v: 2 * width },
  }, options.variant);
  return differentiateJoint(graph, qkv, call);
}

/**
 * Self-attention of which only the last token's output is wanted, such as that of a text tower's last block.
 *
 * @param qkv [B·T, 3D], as for {@link selfAttention}
 * @returns [B, D]
 * @throws RangeError when the head width is no multiple of 4
 */
export function lastTokenAttention(graph: Graph, qkv: Tensor, options: AttentionOptions): Tensor {
  const [rows, columns] = qkv.shape;
  const width = columns / 3, tokens = rows / options.examples;
  const call = attentionCall(graph, { q: qkv, kv: qkv, mask: options.mask ?? null }, {
    examples: options.examples,
    queries: 1,
    keys: tokens,
    heads: options.heads,
    headWidth: width / options.heads,
    sharedQueries: false,
    lastQuery: true,
    columns: { q: 0, k: width, v: 2 * width },
  }, options.variant);
  return differentiateJoint(graph, qkv, call);
}

function differentiateJoint(graph: Graph, qkv: Tensor, { out, backward }: AttentionCall): Tensor {
  return graph.differentiate(out, [qkv], (dout) => {
    graph.contribute(qkv, (addend) => {
      if (addend) throw new Error("A joint projection feeds one attention only");
      const dqkv = graph.temporary(`d ${qkv.label}`, qkv.shape);
      backward(dout, dqkv, dqkv);
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
 * @throws RangeError when the head width is no multiple of 4, or the variant cannot compute this attention
 */
export function pooledAttention(graph: Graph, q: Tensor, kv: Tensor, options: AttentionOptions): Tensor {
  const [queries, width] = q.shape;
  const { examples, heads } = options;
  const call = attentionCall(graph, { q, kv, mask: options.mask ?? null }, {
    examples,
    queries,
    keys: kv.shape[0] / examples,
    heads,
    headWidth: width / heads,
    sharedQueries: true,
    columns: { q: 0, k: 0, v: width },
  }, options.variant);
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

interface Operands {
  readonly q: Tensor;
  readonly kv: Tensor;
  readonly mask: Tensor | null;
}

interface Layout extends AttentionGeometry {
  readonly examples: number;
  readonly heads: number;
  /** Query t attends to the keys 0 … t only. */
  readonly causal?: boolean;
  /** First columns of q, k and v in their matrices. */
  readonly columns: { readonly q: number; readonly k: number; readonly v: number };
}

interface AttentionCall {
  readonly out: Tensor;
  backward(dout: Tensor, dq: Tensor, dkv: Tensor): void;
}

/** Where out [B·Tq, D] and lse [B, H, Tq] go, and the multiply-adds of one product over all pairs. */
interface Results {
  readonly out: Tensor;
  readonly lse: Tensor;
  readonly products: number;
}

function attentionCall(
  graph: Graph,
  operands: Operands,
  layout: Layout,
  forced?: AttentionVariantName,
): AttentionCall {
  const { examples, queries, keys, heads, headWidth } = layout, width = heads * headWidth;
  if (headWidth % 4 !== 0) {
    throw new RangeError(
      `Cannot split a width of ${width} into ${heads} heads: each would have ${headWidth} columns, and attention ` +
        `needs a multiple of 4`,
    );
  }
  const variant = forced ?? chooseVariant(graph, operands, layout);
  const names = attentionVariants(layout).map(({ name }) => name);
  if (!names.includes(variant)) {
    throw new RangeError(
      `Cannot compute an attention of ${queries} queries and ${keys} keys, heads of ${headWidth}, by "${variant}": ` +
        `choose ${names.join(", ")}`,
    );
  }
  const { label } = operands.kv;
  const results: Results = {
    out: graph.temporary(`attention of ${label}`, [examples * queries, width], graph.activations),
    lse: graph.temporary(`lse of ${label}`, [examples * heads * queries]),
    products: examples * queries * keys * width,
  };
  const record = variant === "direct" ? direct : variant === "single-query" ? singleQuery : tiled(variant);
  return { out: results.out, backward: record(graph, operands, layout, results) };
}

function chooseVariant(graph: Graph, { q, kv, mask }: Operands, layout: Layout): AttentionVariantName {
  const variants = rankedAttentionVariants(layout, graph.target.traits);
  if (variants.length === 1) return variants[0];
  const { examples, queries, keys, heads, headWidth, sharedQueries } = layout;
  const self = q === kv;
  return graph.choose({
    key:
      `attention ${shapeClass(queries)}×${shapeClass(keys)} by ${headWidth} of ${
        shapeClass(examples * heads)
      }` +
      (sharedQueries ? ", shared" : "") + (mask ? ", masked" : "") + (layout.causal ? ", causal" : "") +
      (kv.dtype === "f16" ? " f16" : ""),
    variants,
    record: (trial, variant) => {
      // Of very many examples, a part.
      const count = Math.max(1, Math.min(examples, Math.floor(MOST_TRIAL_ELEMENTS / (kv.size / examples))));
      const part = ({ shape: [rows, ...rest] }: Tensor): Shape => [rows / examples * count, ...rest];
      const matrix = (label: string, shape: Shape, dtype: DType) =>
        trial.constant(label, shape, wave(elementCount(shape), dtype));
      const trialKv = matrix("kv", part(kv), kv.dtype),
        trialQ = self ? trialKv : matrix("q", q.shape, q.dtype);
      const everything = mask && trial.constant("mask", part(mask), new Uint32Array(count * keys).fill(1));
      const call = attentionCall(
        trial,
        { q: trialQ, kv: trialKv, mask: everything },
        { ...layout, examples: count },
        variant as AttentionVariantName,
      );
      const dkv = trial.temporary("dkv", trialKv.shape);
      const dq = self ? dkv : trial.temporary("dq", [count, queries * heads * headWidth]);
      call.backward(matrix("dout", call.out.shape, "f32"), dq, dkv);
      return dkv;
    },
  }) as AttentionVariantName;
}

/** Records a forward pass and returns what records the backward one. */
type Recorder = (
  graph: Graph,
  operands: Operands,
  layout: Layout,
  results: Results,
) => AttentionCall["backward"];

/** Sizes and places of the operands, in vectors of four, as the shaders' uniform blocks name them. */
function uniforms({ q, kv }: Operands, layout: Layout) {
  const { queries, keys, heads, headWidth, columns } = layout;
  const qStride = q.shape.at(-1)! / 4;
  return {
    queries,
    keys,
    heads,
    q_stride: qStride,
    q_column: columns.q / 4,
    kv_stride: kv.shape.at(-1)! / 4,
    k_column: columns.k / 4,
    v_column: columns.v / 4,
    dq_stride: qStride,
    dq_column: columns.q / 4,
    scale: 1 / Math.sqrt(headWidth),
  };
}

const direct: Recorder = (graph, operands, layout, { out, lse, products }) => {
  const { q, kv, mask } = operands, { examples, queries, keys, heads, headWidth } = layout;
  const { kv_stride, ...common } = uniforms(operands, layout);
  const { lastQuery = false, sharedQueries, causal: CAUSAL = false } = layout;
  const params = {
    ...common,
    examples,
    k_stride: kv_stride,
    q_every: sharedQueries ? 0 : lastQuery ? keys : queries,
    q_first: lastQuery ? keys - 1 : 0,
    dq_every: lastQuery ? keys : queries,
    dq_first: lastQuery ? keys - 1 : 0,
  };
  const constants = {
    HEAD_WIDTH: headWidth,
    MASK: mask !== null,
    CAUSAL,
    CLEAR_QUERIES: lastQuery,
    WORKGROUP,
  };
  const inputs = { q, k: kv, v: kv, mask: mask ?? graph.nothing };
  const perQuery = linearGrid(examples * heads * queries, WORKGROUP);
  graph.dispatch(attentionDirect, "forward", { params, ...inputs, out, lse_out: lse }, {
    workgroups: perQuery,
    constants,
    flops: 4 * products,
  });
  return (dout, dq, dkv) => {
    const delta = graph.temporary(`delta of ${kv.label}`, lse.shape);
    graph.dispatch(attentionDirect, "backward_delta", { params, out_in: out, dout, delta_out: delta }, {
      workgroups: perQuery,
      constants,
    });
    graph.dispatch(attentionDirect, "backward_query", { params, ...inputs, dout, lse, delta, dq }, {
      workgroups: perQuery,
      constants,
      flops: 6 * products,
    });
    graph.dispatch(attentionDirect, "backward_key", { params, ...inputs, dout, lse, delta, dkv }, {
      workgroups: linearGrid(examples * heads * keys, WORKGROUP),
      constants,
      flops: 8 * products,
    });
  };
};

const tiled = (variant: TiledName): Recorder => (graph, operands, layout, { out, lse, products }) => {
  const { q, kv, mask } = operands, { examples, queries, keys, heads, headWidth } = layout;
  const params = { ...uniforms(operands, layout), q_shared: layout.sharedQueries ? 1 : 0 };
  const inputs = { q, kv, mask: mask ?? graph.nothing };
  const options = (pass: TiledPass, rows: number, flops: number) => {
    const block = tiledBlock(variant, pass, layout)!;
    const workgroups: Workgroups = [Math.ceil(rows / block.BLOCK), heads, examples];
    return {
      workgroups,
      constants: {
        HEAD_WIDTH: headWidth,
        MASK: mask !== null,
        CAUSAL: layout.causal ?? false,
        TEAM,
        CHUNK: chunkVectors(headWidth),
        ...block,
      },
      flops,
    };
  };
  graph.dispatch(
    attentionTiled,
    "forward",
    { params, ...inputs, out, lse_out: lse },
    options("forward", queries, 4 * products),
  );
  return (dout, dq, dkv) => {
    const delta = graph.temporary(`delta of ${kv.label}`, lse.shape);
    graph.dispatch(
      attentionTiledBackward,
      "backward_query",
      { params, ...inputs, dout, lse, out_in: out, dq, delta_out: delta },
      options("backward_query", queries, 6 * products),
    );
    graph.dispatch(
      attentionTiledBackward,
      "backward_key",
      { params, ...inputs, dout, lse, delta, dkv },
      options("backward_key", keys, 8 * products),
    );
  };
};

const singleQuery: Recorder = (graph, operands, layout, { out, lse, products }) => {
  const { q, kv, mask } = operands, { examples, heads, headWidth } = layout;
  const params = uniforms(operands, layout);
  const inputs = { q, kv, mask: mask ?? graph.nothing };
  const workgroups: Workgroups = [heads, examples, 1];
  const constants = { HEAD_WIDTH: headWidth, MASK: mask !== null, WORKGROUP: SINGLE_QUERY_WORKGROUP };
  graph.dispatch(attentionSingleQuery, "forward", { params, ...inputs, out, lse_out: lse }, {
    workgroups,
    constants,
    flops: 4 * products,
  });
  return (dout, dq, dkv) =>
    graph.dispatch(attentionSingleQuery, "backward", { params, ...inputs, dout, out_in: out, lse, dq, dkv }, {
      workgroups,
      constants,
      flops: 14 * products,
    });
};
