import type { Graph } from "../graph/graph.ts";
import type { Candidates } from "./candidates.ts";
import { Draws } from "./draw.ts";
import { chunkSizes, type Drawn, type DrawRequest } from "./selection.ts";

/**
 * The b examples with the highest own scores, equal ones by index: no noise, so that a super-batch always gives the
 * same. With the reference's score this is the filter that data sets are cleaned with.
 *
 * @throws RangeError unless 1 ≤ b ≤ S
 */
export function drawHighest(graph: Graph, request: DrawRequest, candidates: Candidates): Drawn {
  const { superBatch, batch } = request;
  chunkSizes(superBatch, batch, 1);
  const draws = new Draws(graph, request, 1);
  draws.draw(candidates.cond, { number: 0, first: 0, members: batch, greedy: true });
  return draws;
}
