/**
 * Taking rows: by index on the GPU (the selected examples), a run of them, one token of every sequence, or rows of two
 * tensors by turns.
 *
 * @module
 */

import { BINDING_ALIGNMENT } from "../gpu/device.ts";
import { linearGrid } from "../gpu/recorder.ts";
import { gather as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { elementBytes, elementCount, type Tensor } from "../graph/tensor.ts";

const WORKGROUP = 64;

/**
 * Rows of `x` by index. No gradient: data are gathered, not activations.
 *
 * @param x [S, …], any element type
 * @param indices [R] u32, each below S
 * @returns [R, …]
 */
export function gatherRows(graph: Graph, x: Tensor, indices: Tensor): Tensor {
  const y = graph.temporary(`selected ${x.label}`, [indices.size, ...x.shape.slice(1)], x.dtype);
  gatherInto(graph, x, indices, y);
  return y;
}

/**
 * Rows of `x` by index, into `y`. No gradient.
 *
 * @param x [S, …], of words
 * @param indices [R] u32, each below S
 * @param y [R, …], of words
 */
export function gatherInto(graph: Graph, x: Tensor, indices: Tensor, y: Tensor): void {
  const width = elementCount(x.shape.slice(1)), bytes = 2 * y.sizeBytes + indices.sizeBytes;
  const constants = { WORKGROUP, INDEXED: true };
  if (width % 4 === 0) {
    const vectors = width / 4, every = Math.ceil(vectors / WORKGROUP);
    graph.dispatch(shader, "rows", {
      params: { size: y.size / 4, width: vectors, every, first: 0 },
      x_vectors: x,
      indices,
      y_vectors: y,
    }, { workgroups: linearGrid(indices.size * every, 1), constants, bytes });
    return;
  }
  graph.dispatch(shader, "forward", { params: { size: y.size, width, every: 1, first: 0 }, x, indices, y }, {
    workgroups: linearGrid(y.size, WORKGROUP),
    constants,
    bytes,
  });
}

/**
 * Rows `from` … `to` − 1 of `x`: a view where they start on the grid that bindings need, else a copy. No gradient.
 *
 * @param x [R, …], any element type
 */
export function takeRows(graph: Graph, x: Tensor, from: number, to: number): Tensor {
  const rest = x.shape.slice(1), width = elementCount(rest);
  if ((x.offsetBytes + from * width * elementBytes(x.dtype)) % BINDING_ALIGNMENT === 0) {
    return x.rows(from, to);
  }
  const y = graph.temporary(`rows of ${x.label}`, [to - from, ...rest], x.dtype);
  const params = { size: y.size, width, every: 1, first: from };
  graph.dispatch(shader, "forward", { params, x, indices: graph.nothing, y }, {
    workgroups: linearGrid(y.size, WORKGROUP),
    constants: { WORKGROUP, INDEXED: false },
  });
  return y;
}

/** Copies a tensor into another of the same size. */
export function copyInto(graph: Graph, x: Tensor, y: Tensor): void {
  const params = { size: x.size, width: x.size, every: 1, first: 0 };
  graph.dispatch(shader, "forward", { params, x, indices: graph.nothing, y }, {
    workgroups: linearGrid(x.size, WORKGROUP),
    constants: { WORKGROUP, INDEXED: false },
  });
}

/**
 * The rows of two tensors as one, with the gradient.
 *
 * @param parts [R₀, D] and [R₁, D], f32
 * @param places where in the result each row of either goes; together every number below R₀ + R₁ once
 * @returns [R₀ + R₁, D]
 */
export function mergeRows(
  graph: Graph,
  parts: readonly [Tensor, Tensor],
  places: readonly [readonly number[], readonly number[]],
): Tensor {
  const [first, second] = parts, width = first.shape[1];
  const order = new Uint32Array(first.shape[0] + second.shape[0]);
  places.flat().forEach((place, row) => order[place] = row);
  const y = graph.temporary(`${first.label} at both resolutions`, [order.length, width]);
  graph.dispatch(shader, "merge", {
    params: { size: y.size, width, every: 1, first: first.shape[0] },
    x: first,
    second,
    indices: graph.constant("order of both resolutions", [order.length], order),
    y,
  }, { workgroups: linearGrid(y.size, WORKGROUP), constants: { WORKGROUP } });
  return graph.differentiate(y, parts, (dy) => {
    parts.forEach((part, at) => {
      const indices = graph.constant(
        "rows of one resolution",
        [places[at].length],
        Uint32Array.from(places[at]),
      );
      graph.passBack(part, gatherRows(graph, dy, indices));
    });
  });
}

/**
 * The last token of every sequence, with its gradient.
 *
 * @param x [B·T, D]
 * @param tokens T
 * @returns [B, D]
 */
export function lastTokens(graph: Graph, x: Tensor, tokens: number): Tensor {
  return tokensAt(graph, x, tokens, tokens - 1);
}

/**
 * The first token of every sequence, with its gradient.
 *
 * @param x [B·T, D]
 * @param tokens T
 * @returns [B, D]
 */
export function firstTokens(graph: Graph, x: Tensor, tokens: number): Tensor {
  return tokensAt(graph, x, tokens, 0);
}

function tokensAt(graph: Graph, x: Tensor, tokens: number, place: number): Tensor {
  const [rows, width] = x.shape;
  const y = graph.temporary(`token ${place} of ${x.label}`, [rows / tokens, width]);
  const params = { width, every: tokens, first: place };
  graph.dispatch(shader, "forward", { params: { ...params, size: y.size }, x, indices: graph.nothing, y }, {
    workgroups: linearGrid(y.size, WORKGROUP),
    constants: { WORKGROUP, INDEXED: false },
    bytes: 2 * y.sizeBytes,
  });
  return graph.differentiate(y, [x], (dy) => {
    graph.contribute(x, (addend) => {
      const dx = graph.temporary(`d ${x.label}`, x.shape);
      graph.dispatch(
        shader,
        "scatter",
        { params: { ...params, size: dx.size }, dy, addend: addend ?? graph.nothing, dx },
        {
          workgroups: linearGrid(dx.size, WORKGROUP),
          constants: { WORKGROUP, INDEXED: false, ACCUMULATE: addend !== null },
        },
      );
      return dx;
    });
  });
}

/**
 * One token of every sequence, named on the GPU, with its gradient.
 *
 * @param x [B·T, D]
 * @param rows [B] u32: the row of x of each sequence's token
 * @returns [B, D]
 */
export function chosenTokens(graph: Graph, x: Tensor, rows: Tensor): Tensor {
  const [all, width] = x.shape;
  return graph.differentiate(gatherRows(graph, x, rows), [x], (dy) => {
    graph.contribute(x, (addend) => {
      const dx = graph.temporary(`d ${x.label}`, x.shape);
      graph.dispatch(shader, "scatter_chosen", {
        params: { size: dx.size, width, every: all / rows.size, first: 0 },
        dy,
        chosen: rows,
        addend: addend ?? graph.nothing,
        dx,
      }, {
        workgroups: linearGrid(dx.size, WORKGROUP),
        constants: { WORKGROUP, INDEXED: false, ACCUMULATE: addend !== null },
      });
      return dx;
    });
  });
}
