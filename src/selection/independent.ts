import type { Graph } from "../graph/graph.ts";
import type { Candidates } from "./candidates.ts";
import { drawJointly } from "./joint.ts";
import type { Drawn, DrawRequest } from "./selection.ts";

/**
 * Independent selection, as joint selection in one chunk: p ∝ exp(own score), whatever else is chosen.
 *
 * @throws RangeError unless 1 ≤ b ≤ S
 */
export function drawIndependently(graph: Graph, request: DrawRequest, candidates: Candidates): Drawn {
  return drawJointly(graph, { ...request, chunks: 1 }, candidates);
}
