import { linearGrid } from "../gpu/recorder.ts";
import { gelu as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";

const WORKGROUP = 64;

/**
 * GELU, tanh approximation (arXiv:1606.08415), with its gradient.
 *
 * @param x any shape
 * @returns the shape of `x`
 */
export function gelu(graph: Graph, x: Tensor): Tensor {
  const y = graph.temporary(`gelu ${x.label}`, x.shape);
  const params = { size: x.size };
  const workgroups = linearGrid(x.size, WORKGROUP);
  graph.dispatch(shader, "forward", { params, x, y }, { workgroups, constants: { WORKGROUP } });
  return graph.differentiate(y, [x], (dy) => {
    graph.contribute(x, (addend) => {
      const dx = graph.temporary(`d ${x.label}`, x.shape);
      graph.dispatch(shader, "backward", { params, x, dy, addend: addend ?? graph.nothing, dx }, {
        workgroups,
        constants: { WORKGROUP, ACCUMULATE: addend !== null },
      });
      return dx;
    });
  });
}
