import type { AdapterTraits } from "../gpu/device.ts";
import { linearGrid } from "../gpu/recorder.ts";
import { layerNormSubgroup, layerNormWorkgroup } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { type DType, expectShape, type Tensor } from "../graph/tensor.ts";
import { sumRows } from "./sum_rows.ts";

const WORKGROUP = 64;
/** Teams that keep any adapter busy; beyond them a team takes several rows. */
const BUSY_TEAMS = 4096;
const BUSY_TEAMS_SOFTWARE = 16;
const MOST_TEAM_ROWS = 16;

/** The kernel for an adapter, the invocations of a team, and the rows that it handles. */
function plan({ subgroupSize, software }: AdapterTraits, rows: number, width: number) {
  const wanted = Math.ceil(rows / (software ? BUSY_TEAMS_SOFTWARE : BUSY_TEAMS));
  const teamRows = Math.min(MOST_TEAM_ROWS, 2 ** Math.floor(Math.log2(wanted)));
  const teams = Math.ceil(rows / teamRows);
  if (subgroupSize !== null) {
    const constants = { WORKGROUP: subgroupSize, WIDTH: width, TEAM_ROWS: teamRows };
    return { shader: layerNormSubgroup, constants, teams, workgroups: linearGrid(teams, 1) };
  }
  // About six vectors a lane.
  const lanes = Math.min(WORKGROUP, 2 ** Math.ceil(Math.log2(Math.max(1, width / 24))));
  const constants = { WORKGROUP, LANES: lanes, WIDTH: width, TEAM_ROWS: teamRows };
  return { shader: layerNormWorkgroup, constants, teams, workgroups: linearGrid(teams, WORKGROUP / lanes) };
}

/**
 * Layer normalisation over the last axis, with its gradients.
 *
 * @param x [M, D], D a multiple of 4
 * @param weight [D]
 * @param bias [D]
 * @param options.epsilon ε, added to the variance; 1e-6 when left out
 * @param options.dtype how y lies in memory; as the graph's activations when left out
 * @returns [M, D]
 * @throws TypeError when D is no multiple of 4, or weight and bias have another length
 */
export function layerNorm(
  graph: Graph,
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  { epsilon = 1e-6, dtype = graph.activations }: { epsilon?: number; dtype?: DType } = {},
): Tensor {
  const [rows, width] = x.shape;
  expectShape(weight, [width], "layer-norm weight");
  expectShape(bias, [width], "layer-norm bias");
  if (width % 4 !== 0) {
    throw new TypeError(
      `Cannot normalise rows of ${width} columns ("${x.label}"): it must be a multiple of 4`,
    );
  }
  const label = weight.label.replace(/\.weight$/, "");
  const y = graph.temporary(label, x.shape, dtype);
  const statistics = graph.temporary(`${label} mean and rstd`, [rows, 2]);
  const { shader, constants: planned, teams, workgroups } = plan(graph.target.traits, rows, width);
  const constants = { ...planned, EPSILON: epsilon };
  const params = { rows };
  graph.dispatch(
    shader,
    "forward",
    { params, x, weight, bias, y, statistics_out: statistics },
    { workgroups, constants },
  );
  return graph.differentiate(y, [x, weight, bias], (dy) => {
    const dweight = graph.temporary(`partial d ${weight.label}`, [teams, width]);
    const dbias = graph.temporary(`partial d ${bias.label}`, [teams, width]);
    const backward = (addend: Tensor | null) => {
      const dx = graph.temporary(`d ${x.label}`, x.shape);
      graph.dispatch(
        shader,
        "backward",
        { params, x, weight, statistics, dy, addend: addend ?? graph.nothing, dx, dweight, dbias },
        { workgroups, constants: { ...constants, ACCUMULATE: addend !== null } },
      );
      return dx;
    };
    if (x.differentiable) graph.contribute(x, backward);
    else backward(null);
    graph.contribute(weight, (addend) => sumRows(graph, dweight, addend, `d ${weight.label}`));
    graph.contribute(bias, (addend) => sumRows(graph, dbias, addend, `d ${bias.label}`));
  });
}
