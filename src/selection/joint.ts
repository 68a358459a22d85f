import type { Graph } from "../graph/graph.ts";
import type { Candidates } from "./candidates.ts";
import { Draws } from "./draw.ts";
import { chunkSizes, type Drawn, type DrawRequest } from "./selection.ts";

/**
 * JEST's joint example selection (arXiv:2406.17711): N chunks, each drawn with p ∝ exp(cond), where cond is the score
 * of an example beside those of the chunks before. Where a share of the selection is to be uniform, that is drawn first,
 * and the chunks are drawn beside it: so nothing that the reference does not know is neglected for good.
 *
 * @throws RangeError unless 1 ≤ N ≤ b ≤ S, and the uniform share leaves every chunk an example
 */
export function drawJointly(graph: Graph, request: DrawRequest, candidates: Candidates): Drawn {
  const { superBatch, batch, chunks, uniformShare = 0 } = request;
  const free = Math.round(batch * uniformShare);
  if (!(uniformShare >= 0) || free > 0 && batch - free < chunks) {
    throw new RangeError(
      `Cannot draw a share of ${uniformShare} of ${batch} examples uniformly and the others in ${chunks} chunks: ` +
        `choose a smaller share, 0 or more, or fewer chunks`,
    );
  }
  const sizes = [...(free > 0 ? [free] : []), ...chunkSizes(superBatch, batch - free, chunks)];
  const draws = new Draws(graph, request, sizes.length);
  let first = 0;
  sizes.forEach((members, number) => {
    draws.draw(number === 0 && free > 0 ? null : candidates.cond, { number, first, members });
    if (number < sizes.length - 1) candidates.join(draws, first, members); // nothing is drawn after the last
    first += members;
  });
  return draws;
}
