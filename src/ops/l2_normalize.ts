import { linearGrid } from "../gpu/recorder.ts";
import { l2Normalize as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";

const WORKGROUP = 64;
const LANES = 16;

/**
 * Rows scaled to unit length, y / (‖y‖ + 1e-8), with the gradient.
 *
 * @param y [M, D]
 * @returns [M, D]
 */
export function l2Normalize(graph: Graph, y: Tensor): Tensor {
  const [rows, width] = y.shape;
  const z = graph.temporary(`unit ${y.label}`, y.shape);
  const params = { rows, width };
  const workgroups = linearGrid(rows, WORKGROUP / LANES);
  const constants = { WORKGROUP, LANES };
  graph.dispatch(shader, "forward", { params, y, z }, { workgroups, constants });
  return graph.differentiate(z, [y], (dz) => {
    graph.contribute(y, (addend) => {
      const dy = graph.temporary(`d ${y.label}`, y.shape);
      graph.dispatch(shader, "backward", { params, y, dz, addend: addend ?? graph.nothing, dy }, {
        workgroups,
        constants: { ...constants, ACCUMULATE: addend !== null },
      });
      return dy;
    });
  });
}
