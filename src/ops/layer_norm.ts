import { linearGrid } from "../gpu/recorder.ts";
import { layerNorm as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { expectShape, type Tensor } from "../graph/tensor.ts";
import { segmentRows, sumRows } from "./sum_rows.ts";

const WORKGROUP = 64;
const LANES = 16;

/**
 * Layer normalisation over the last axis (ε = 1e-6), with its gradients.
 *
 * @param x [M, D]
 * @param weight [D]
 * @param bias [D]
 * @returns [M, D]
 */
export function layerNorm(graph: Graph, x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const [rows, width] = x.shape;
  expectShape(weight, [width], "layer-norm weight");
  expectShape(bias, [width], "layer-norm bias");
  const label = weight.label.replace(/\.weight$/, "");
  const y = graph.temporary(label, x.shape);
  const mean = graph.temporary(`${label} mean`, [rows]), rstd = graph.temporary(`${label} rstd`, [rows]);
  const segment = segmentRows(rows), segments = Math.ceil(rows / segment);
  const params = { rows, width, segment };
  const workgroups = linearGrid(rows, WORKGROUP / LANES);
  const constants = { WORKGROUP, LANES };
  graph.dispatch(
    shader,
    "forward",
    { params, x, weight, bias, y, mean_out: mean, rstd_out: rstd },
    { workgroups, constants },
  );
  return graph.differentiate(y, [x, weight, bias], (dy) => {
    graph.contribute(x, (addend) => {
      const dx = graph.temporary(`d ${x.label}`, x.shape);
      graph.dispatch(
        shader,
        "backward_input",
        { params, x, weight, mean, rstd, dy, addend: addend ?? graph.nothing, dx },
        { workgroups, constants: { ...constants, ACCUMULATE: addend !== null } },
      );
      return dx;
    });
    const dweight = graph.temporary(`partial d ${weight.label}`, [segments, width]);
    const dbias = graph.temporary(`partial d ${bias.label}`, [segments, width]);
    graph.dispatch(shader, "backward_weight", { params, x, mean, rstd, dy, dweight, dbias }, {
      workgroups: [Math.ceil(width / WORKGROUP), segments, 1],
      constants,
    });
    graph.contribute(weight, (addend) => sumRows(graph, dweight, addend, `d ${weight.label}`));
    graph.contribute(bias, (addend) => sumRows(graph, dbias, addend, `d ${bias.label}`));
  });
}
