import { sumRows as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";

const WORKGROUP = 64;

/** Rows that one invocation sums in a pass: about √M, enough parallel work without a long second pass. */
export function segmentRows(rows: number): number {
  return rows <= 64 ? rows : Math.ceil(Math.sqrt(rows));
}

/**
 * Sums a matrix over its rows, in two passes when it is long. No gradient: backward passes use it.
 *
 * @param x [M, N]
 * @param addend [N], added to the sum
 * @returns [N]
 */
export function sumRows(graph: Graph, x: Tensor, addend: Tensor | null, label: string): Tensor {
  const [rows, columns] = x.shape;
  const segment = segmentRows(rows);
  const segments = Math.ceil(rows / segment);
  const last = segments === 1;
  const y = graph.temporary(last ? label : `partial ${label}`, last ? [columns] : [segments, columns]);
  const accumulate = last && addend !== null;
  graph.dispatch(
    shader,
    "partial",
    { params: { rows, columns, segment }, x, addend: accumulate ? addend : graph.nothing, y },
    {
      workgroups: [Math.ceil(columns / WORKGROUP), segments, 1],
      constants: { ACCUMULATE: accumulate, WORKGROUP },
    },
  );
  return last ? y : sumRows(graph, y, addend, label);
}
