/**
 * Matrix products: the dispatch that all others are made of, and the linear layer.
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import { type DType, expectShape, type Tensor } from "../graph/tensor.ts";
import { type MatmulShape, type MatmulVariant, matmulVariants } from "./matmul_variants.ts";
import { sumRows } from "./sum_rows.ts";
import { MOST_TRIAL_ELEMENTS, shapeClass, wave } from "./trial.ts";

/**
 * The forms of GELU, x · gate(x): the tanh approximation (SigLIP), exact (ViT), or σ(1.702 x) for the gate (CLIP).
 */
export type Activation = "gelu-tanh" | "gelu" | "quick-gelu";

/** All forms, in the order of the shader's GATE. */
export const activations: readonly Activation[] = ["gelu-tanh", "gelu", "quick-gelu"];

/** What a matrix product does besides multiplying, in this order. */
export interface MatmulOptions {
  /** `a` is stored as [K, M]. */
  readonly transposeA?: boolean;
  /** `b` is stored as [N, K]. */
  readonly transposeB?: boolean;
  /** Factor on the product. */
  readonly scale?: number;
  /** [N], added to every row. */
  readonly bias?: Tensor | null;
  /** Apply GELU; `save` is also to return what it was applied to. */
  readonly gelu?: "apply" | "save";
  /** [M, N], what GELU was applied to in the forward pass: multiply by its derivative there. */
  readonly geluBackward?: Tensor;
  /** Which GELU; `gelu-tanh` when left out. */
  readonly activation?: Activation;
  /** [R, N], added to row r as its row r mod R. */
  readonly addend?: Tensor | null;
  /** Also sum op(B) over k; with a tensor [N], which is added. */
  readonly columnSums?: { readonly label: string; readonly addend: Tensor | null };
  /** How the product lies in memory; f32 when left out. It is summed in f32 either way. */
  readonly dtype?: DType;
  /** Name of the product. */
  readonly label?: string;
  /** Takes this variant instead of the tuned or default one. */
  readonly variant?: string;
}

/** What {@link multiply} computed. */
export interface MatmulResult {
  /** [M, N] or [batch, M, N] */
  readonly product: Tensor;
  /** [M, N], what GELU was applied to, if it was to be saved. */
  readonly saved: Tensor | null;
  /** [N], if they were asked for. */
  readonly columnSums: Tensor | null;
}

/**
 * Records C = op(A) · op(B) + bias + addend. No gradient: {@link linear} and other ops build theirs from it.
 *
 * @param a [M, K] or [batch, M, K]; with `transposeA` the last two axes are swapped
 * @param b [K, N] or [batch, K, N]; with `transposeB` the last two axes are swapped
 * @returns [M, N] or [batch, M, N]
 * @throws TypeError when inner lengths or batches differ
 */
export function matmul(graph: Graph, a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  return multiply(graph, a, b, options).product;
}

/**
 * Records a matrix product with all that its epilogue can do; see {@link matmul}.
 *
 * @throws TypeError when inner lengths or batches differ
 */
export function multiply(graph: Graph, a: Tensor, b: Tensor, options: MatmulOptions = {}): MatmulResult {
  const shape = shapeOf(a, b, options);
  const { m, n, batch } = shape;
  const {
    bias = null,
    addend = null,
    geluBackward = null,
    gelu,
    columnSums = null,
    dtype = "f32",
    label = "product",
  } = options;
  if (bias) expectShape(bias, [n], "bias");
  if (bias && columnSums) throw new TypeError(`"${label}" cannot have both a bias and column sums`);
  const addendRows = addend ? addend.size / n : 1;
  const finishes = options.scale !== undefined || bias !== null || gelu !== undefined ||
    geluBackward !== null || dtype !== "f32";
  const splittable = !finishes && (addend === null || addendRows === m);
  const variant = chooseVariant(graph, shape, splittable, options.variant);
  const { splits } = variant;

  const split = splits > 1;
  const whole = a.shape.length === 3 ? [batch, m, n] : [m, n];
  const c = split
    ? graph.temporary(`parts of ${label}`, [splits, m * n])
    : graph.temporary(label, whole, dtype);
  const saved = gelu === "save" ? graph.temporary(`${label} before GELU`, whole, dtype) : null;
  const sums = columnSums &&
    graph.temporary(columnSums.label, split ? [splits, n] : [n]);
  const sumsAddend = columnSums?.addend ?? null;
  const { k } = shape;
  const share = split ? Math.ceil(k / splits / 4) * 4 : k;
  graph.dispatch(
    variant.shader,
    "forward",
    {
      params: {
        m,
        n,
        k,
        share,
        addend_rows: addendRows,
        batch_stride_a: batch > 1 ? m * k : 0,
        batch_stride_b: batch > 1 ? k * n : 0,
        batch_stride_c: m * n,
        scale: options.scale ?? 1,
      },
      a,
      b,
      bias: bias ?? (split ? null : sumsAddend) ?? graph.nothing,
      addend: !split && addend ? addend : graph.nothing,
      saved: geluBackward ?? graph.nothing,
      c,
      saved_out: saved ?? graph.unused(),
      column_sums: sums ?? graph.unused(),
    },
    {
      workgroups: [Math.ceil(n / variant.tile[1]), Math.ceil(m / variant.tile[0]), split ? splits : batch],
      constants: {
        TRANSPOSE_A: shape.transposeA,
        TRANSPOSE_B: shape.transposeB,
        SCALE: options.scale !== undefined,
        BIAS: bias !== null || (!split && sumsAddend !== null),
        GELU: gelu !== undefined,
        SAVE: saved !== null,
        GELU_BACKWARD: geluBackward !== null,
        GATE: activations.indexOf(options.activation ?? "gelu-tanh"),
        ADDEND: !split && addend !== null,
        COLUMN_SUMS: sums !== null,
        SPLIT: split,
        ...variant.constants,
      },
      halved: variant.halved,
      flops: 2 * batch * m * n * k,
    },
  );
  if (!split) return { product: c, saved, columnSums: sums };
  return {
    product: sumRows(graph, c, addend?.reshape(m * n) ?? null, label).reshape(m, n),
    saved,
    columnSums: sums && sumRows(graph, sums, sumsAddend, columnSums!.label),
  };
}

function shapeOf(
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false, label }: MatmulOptions,
): MatmulShape {
  const batched = a.shape.length === 3;
  const batch = batched ? a.shape[0] : 1;
  const [a0, a1] = a.shape.slice(-2), [b0, b1] = b.shape.slice(-2);
  const [m, k] = transposeA ? [a1, a0] : [a0, a1];
  const [inner, n] = transposeB ? [b1, b0] : [b0, b1];
  if (inner !== k || a.shape.length !== b.shape.length || (batched && b.shape[0] !== batch)) {
    throw new TypeError(
      `Cannot multiply [${a.shape}]${transposeA ? "ᵀ" : ""} by [${b.shape}]${transposeB ? "ᵀ" : ""} in ` +
        `"${label ?? "product"}": inner size is ${inner}, expected ${k}`,
    );
  }
  return { m, n, k, batch, transposeA, transposeB, dtypes: [a.dtype, b.dtype] };
}

function chooseVariant(
  graph: Graph,
  shape: MatmulShape,
  splittable: boolean,
  forced: string | undefined,
): MatmulVariant {
  const variants = matmulVariants(shape, graph.target.traits, splittable);
  const byName = (name: string) => {
    const found = variants.find((variant) => variant.name === name);
    if (found) return found;
    throw new RangeError(
      `There is no variant "${name}" for this product: choose one of ${
        variants.map(({ name }) => name).join(", ")
      }`,
    );
  };
  if (forced !== undefined) return byName(forced);
  if (variants.length === 1) return variants[0];
  const { m, n, k, batch, transposeA, transposeB, dtypes = ["f32", "f32"] } = shape;
  const form = `${transposeA ? "T" : "N"}${transposeB ? "T" : "N"}`;
  const lengths = [m, n, k].map(shapeClass).join("×");
  return byName(graph.choose({
    key: `matmul ${form} ${lengths}${dtypes.includes("f16") ? ` ${dtypes.join("·")}` : ""}${
      batch > 1 ? ` of ${shapeClass(batch)}` : ""
    }${splittable ? "" : ", finished"}`,
    variants: variants.map(({ name }) => name),
    record: (trial, variant) => {
      const { m, n, k } = trialShape(shape);
      const matrix = (label: string, dtype: DType, rows: number, columns: number) => {
        const sizes = batch > 1 ? [batch, rows, columns] : [rows, columns];
        return trial.constant(label, sizes, wave(batch * rows * columns, dtype));
      };
      const a = transposeA ? matrix("a", dtypes[0], k, m) : matrix("a", dtypes[0], m, k);
      const b = transposeB ? matrix("b", dtypes[1], n, k) : matrix("b", dtypes[1], k, n);
      return matmul(trial, a, b, { transposeA, transposeB, variant });
    },
  }));
}

/** The product by which variants are told apart: of a very large one, a part of the longest side. */
function trialShape({ m, n, k, batch }: MatmulShape): Pick<MatmulShape, "m" | "n" | "k"> {
  const [, middle, longest] = [m, n, k].toSorted((a, b) => a - b);
  const most = Math.max(4, Math.floor(MOST_TRIAL_ELEMENTS / batch / middle / 4) * 4);
  const cut = (length: number) => length === longest ? Math.min(length, most) : length;
  return { m: cut(m), n: cut(n), k: cut(k) };
}

/**
 * The gradients of a layer's weight and bias, if it has one: dW = xᵀ · dy and db = Σ dy, in one pass over `dy`.
 *
 * @param x [M, K]
 * @param dy [M, N]
 * @param weight [K, N]
 * @param bias [N]
 */
export function contributeWeightGradients(
  graph: Graph,
  { x, dy, weight, bias }: { x: Tensor; dy: Tensor; weight: Tensor; bias: Tensor | null },
): void {
  const labels = { weight: `d ${weight.label}`, bias: `d ${bias?.label}` };
  if (!weight.differentiable || !bias?.differentiable) {
    graph.contribute(
      weight,
      (addend) => matmul(graph, x, dy, { transposeA: true, addend, label: labels.weight }),
    );
    if (bias) graph.contribute(bias, (addend) => sumRows(graph, dy, addend, labels.bias));
    return;
  }
  const { product, columnSums } = multiply(graph, x, dy, {
    transposeA: true,
    addend: graph.gradient(weight) ?? null,
    columnSums: { label: labels.bias, addend: graph.gradient(bias) ?? null },
    label: labels.weight,
  });
  graph.contribute(weight, () => product);
  graph.contribute(bias, () => columnSums!);
}

/**
 * Linear layer: y = x · W + bias + residual.
 *
 * @param x [M, K]
 * @param weight [K, N]
 * @param bias [N]; null without one
 * @param residual [R, N], M a multiple of R: added to row r as its row r mod R
 * @param dtype how y lies in memory; f32 when left out
 * @returns [M, N]
 */
export function linear(
  graph: Graph,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  residual?: Tensor,
  dtype?: DType,
): Tensor {
  const label = weight.label.replace(/\.weight$/, "");
  const y = matmul(graph, x, weight, { bias, addend: residual, label, dtype });
  return graph.differentiate(y, [x, weight, bias, residual].filter((input) => input != null), (dy) => {
    graph.contribute(
      x,
      (addend) => matmul(graph, dy, weight, { transposeB: true, addend, label: `d ${x.label}` }),
    );
    contributeWeightGradients(graph, { x, dy, weight, bias });
    if (residual) broadcastBack(graph, residual, dy);
  });
}

/** The gradient of rows that were added cyclically: summed over their repetitions. */
export function broadcastBack(graph: Graph, target: Tensor, dy: Tensor): void {
  if (target.size === dy.size) graph.passBack(target, dy.reshape(...target.shape));
  else {
    graph.contribute(
      target,
      (addend) =>
        sumRows(
          graph,
          dy.reshape(dy.size / target.size, target.size),
          addend?.reshape(target.size) ?? null,
          `d ${target.label}`,
        )
          .reshape(...target.shape),
    );
  }
}
