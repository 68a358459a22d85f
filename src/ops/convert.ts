import { linearGrid } from "../gpu/recorder.ts";
import { convert as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { DType, Tensor } from "../graph/tensor.ts";

const WORKGROUP = 64;

/**
 * The same numbers in another type, rounded. No gradient.
 *
 * @param x any shape, f32 or f16
 * @throws RangeError when the number of elements is no multiple of 4
 */
export function convert(graph: Graph, x: Tensor, dtype: DType, label: string): Tensor {
  if (x.size % 4 !== 0) {
    throw new RangeError(
      `Cannot convert the ${x.size} elements of "${x.label}": pad them to a multiple of 4`,
    );
  }
  const y = graph.temporary(label, x.shape, dtype);
  graph.dispatch(shader, "forward", { params: { size: x.size / 4 }, x, y }, {
    workgroups: linearGrid(x.size / 4, WORKGROUP),
    constants: { WORKGROUP },
  });
  return y;
}
