import type { Graph } from "../graph/graph.ts";
import { Draws } from "./draw.ts";
import { chunkSizes, type Drawn, type DrawRequest } from "./selection.ts";

/**
 * Uniform selection: every sub-batch is as likely as any other.
 *
 * @throws RangeError unless 1 ≤ b ≤ S
 */
export function drawUniformly(graph: Graph, request: DrawRequest): Drawn {
  const { superBatch, batch } = request;
  chunkSizes(superBatch, batch, 1);
  const draws = new Draws(graph, request, 1);
  draws.draw(null, { number: 0, first: 0, members: batch });
  return draws;
}
