import { linearGrid } from "../gpu/recorder.ts";
import { endToken as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";

const WORKGROUP = 64;

/**
 * Where captions end: the row b·T + t of each caption's first end token; b·T when it has none. No gradient.
 *
 * @param tokens [B, T] u32
 * @param end id of the end token, or `highest`: the first of the highest ids in the caption
 * @returns [B] u32
 */
export function endRows(graph: Graph, tokens: Tensor, end: number | "highest"): Tensor {
  const [examples, length] = tokens.shape;
  const y = graph.temporary("end of captions", [examples], "u32");
  const highest = end === "highest";
  graph.dispatch(shader, "forward", {
    params: { examples, tokens: length, end: highest ? 0 : end },
    tokens,
    y,
  }, { workgroups: linearGrid(examples, WORKGROUP), constants: { WORKGROUP, HIGHEST: highest } });
  return y;
}
