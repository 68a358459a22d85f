/**
 * Matrix products: the dispatch that all others are made of, and the linear layer.
 *
 * @module
 */

import type { Workgroups } from "../gpu/recorder.ts";
import { matmul as matmulScalar, matmulVec4 } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { expectShape, type Tensor } from "../graph/tensor.ts";
import { sumRows } from "./sum_rows.ts";

/** What a matrix product does besides multiplying. */
export interface MatmulOptions {
  /** `a` is stored as [K, M]. */
  readonly transposeA?: boolean;
  /** `b` is stored as [N, K]. */
  readonly transposeB?: boolean;
  /** [N], added to every row. */
  readonly bias?: Tensor | null;
  /** [R, N], added to row r as its row r mod R. */
  readonly addend?: Tensor | null;
  /** Where the product goes; a fresh temporary when left out. */
  readonly label?: string;
}

/** Outputs that one invocation keeps, and invocations of a workgroup. */
interface Tile {
  readonly ROWS: number;
  readonly COLUMNS: number;
  readonly GROUP_ROWS: number;
  readonly GROUP_COLUMNS: number;
}

const scalarTile: Tile = { ROWS: 4, COLUMNS: 4, GROUP_ROWS: 8, GROUP_COLUMNS: 8 };
const vectorTile: Tile = { ROWS: 8, COLUMNS: 8, GROUP_ROWS: 8, GROUP_COLUMNS: 4 };

function grid(tile: Tile, m: number, n: number, batch: number): Workgroups {
  return [
    Math.ceil(n / (tile.COLUMNS * tile.GROUP_COLUMNS)),
    Math.ceil(m / (tile.ROWS * tile.GROUP_ROWS)),
    batch,
  ];
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
  const { transposeA = false, transposeB = false, bias = null, addend = null, label = "product" } = options;
  const batched = a.shape.length === 3;
  const batch = batched ? a.shape[0] : 1;
  const [a0, a1] = a.shape.slice(-2), [b0, b1] = b.shape.slice(-2);
  const [m, k] = transposeA ? [a1, a0] : [a0, a1];
  const [inner, n] = transposeB ? [b1, b0] : [b0, b1];
  if (inner !== k || a.shape.length !== b.shape.length || (batched && b.shape[0] !== batch)) {
    throw new TypeError(
      `Cannot multiply [${a.shape}]${transposeA ? "ᵀ" : ""} by [${b.shape}]${
        transposeB ? "ᵀ" : ""
      } in "${label}": ` +
        `inner size is ${inner}, expected ${k}`,
    );
  }
  if (bias) expectShape(bias, [n], "bias");
  const c = graph.temporary(label, batched ? [batch, m, n] : [m, n]);
  const vectors = n % 4 === 0 && (k % 4 === 0 || (transposeA && !transposeB)) &&
    (!transposeA || m % 4 === 0) &&
    k % 4 === 0;
  const tile = vectors ? vectorTile : scalarTile;
  graph.dispatch(
    vectors ? matmulVec4 : matmulScalar,
    "forward",
    {
      params: {
        m,
        n,
        k,
        addend_rows: addend ? addend.size / n : 1,
        batch_stride_a: batched ? m * k : 0,
        batch_stride_b: batched ? k * n : 0,
        batch_stride_c: batched ? m * n : 0,
      },
      a,
      b,
      bias: bias ?? graph.nothing,
      addend: addend ?? graph.nothing,
      c,
    },
    {
      workgroups: grid(tile, m, n, batch),
      constants: {
        TRANSPOSE_A: transposeA,
        TRANSPOSE_B: transposeB,
        BIAS: bias !== null,
        ADDEND: addend !== null,
        ...tile,
      },
      flops: 2 * batch * m * n * k,
    },
  );
  return c;
}

/**
 * Linear layer: y = x · W + bias + residual.
 *
 * @param x [M, K]
 * @param weight [K, N]
 * @param bias [N]
 * @param residual [R, N], M a multiple of R: added to row r as its row r mod R
 * @returns [M, N]
 */
export function linear(graph: Graph, x: Tensor, weight: Tensor, bias: Tensor, residual?: Tensor): Tensor {
  const label = weight.label.replace(/\.weight$/, "");
  const y = matmul(graph, x, weight, { bias, addend: residual, label });
  return graph.differentiate(y, [x, weight, bias, ...(residual ? [residual] : [])], (dy) => {
    graph.contribute(
      x,
      (addend) => matmul(graph, dy, weight, { transposeB: true, addend, label: `d ${x.label}` }),
    );
    graph.contribute(
      weight,
      (addend) => matmul(graph, x, dy, { transposeA: true, addend, label: `d ${weight.label}` }),
    );
    graph.contribute(bias, (addend) => sumRows(graph, dy, addend, `d ${bias.label}`).reshape(...bias.shape));
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
