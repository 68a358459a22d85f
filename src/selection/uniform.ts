import type { Graph } from "../graph/graph.ts";
import { drawChunk, drawState } from "./draw.ts";
import { chunkSizes, type Selection, type SelectionRequest } from "./selection.ts";

/**
 * Uniform selection: every sub-batch is as likely as any other.
 *
 * @throws RangeError unless 1 ≤ b ≤ S
 */
export function selectUniform(graph: Graph, request: SelectionRequest): Selection {
  const { superBatch, batch } = request;
  chunkSizes(superBatch, batch, 1);
  const state = drawState(graph, superBatch, batch, 1);
  drawChunk(graph, null, state, request, { chunk: 0, first: 0, members: batch });
  const learnability = graph.constant("batch learnability", [1], new Float32Array(1));
  return { indices: state.indices, slots: state.slots, diagonal: null, learnability, entropy: state.entropy };
}
