import type { Graph } from "../graph/graph.ts";
import type { Candidates } from "./candidates.ts";
import { Draws } from "./draw.ts";
import { chunkSizes, type Drawn, type DrawRequest } from "./selection.ts";

/**
 * JEST's joint example selection (arXiv:2406.17711): N chunks, each drawn with p ∝ exp(cond), where cond is the score
 * of an example beside those of the chunks before.
 *
 * @throws RangeError unless 1 ≤ N ≤ b ≤ S
 */
export function drawJointly(graph: Graph, request: DrawRequest, candidates: Candidates): Drawn {
  const { superBatch, batch, chunks } = request;
  const sizes = chunkSizes(superBatch, batch, chunks);
  const draws = new Draws(graph, request, chunks);
  let first = 0;
  sizes.forEach((members, number) => {
    draws.draw(candidates.cond, { number, first, members });
    if (number < chunks - 1) candidates.join(draws, first, members); // nothing is drawn after the last
    first += members;
  });
  return draws;
}
