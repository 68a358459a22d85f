import type { Graph } from "../graph/graph.ts";
import type { Candidates } from "./candidates.ts";
import { Draws } from "./draw.ts";
import { chunkSizes, type Drawn, type DrawRequest } from "./selection.ts";

/** Blocks that are redrawn unless another number is given: by then the paper's batch scores have stopped rising. */
export const GIBBS_ITERATIONS = 2000;

/** Draws of a selection have numbers below 65,536, and the first is the random set. */
const MOST_ITERATIONS = 65_535;

/**
 * Brute-force Gibbs sampling, the baseline that joint selection is measured against: from a uniform set of b, one of N
 * blocks after another is dropped and drawn again with p ∝ exp(cond), cond given all other members.
 *
 * The paper (arXiv:2406.17711) names it without pseudo-code. Each block's total over its members is kept for every
 * candidate, [N, S], so that a step costs what a chunk of joint selection does, and nothing is ever subtracted: sums do
 * not drift, and log-sum-exps need not be undone. Fewer iterations with the same seed are the beginning of more.
 *
 * @throws RangeError unless 1 ≤ N ≤ b ≤ S and 0 ≤ iterations ≤ 65,535
 */
export function drawByGibbs(graph: Graph, request: DrawRequest, candidates: Candidates): Drawn {
  const { superBatch, batch, chunks, iterations } = request;
  const sizes = chunkSizes(superBatch, batch, chunks);
  if (!Number.isInteger(iterations) || iterations < 0 || iterations > MOST_ITERATIONS) {
    throw new RangeError(
      `Cannot redraw ${iterations} blocks: choose a whole number of iterations from 0 to ${MOST_ITERATIONS}`,
    );
  }
  let next = 0;
  const blocks = sizes.map((members) => ({ first: (next += members) - members, members }));
  const draws = new Draws(graph, request, iterations + 1);
  draws.draw(null, { number: 0, first: 0, members: batch });
  const totals = candidates.totals(chunks);
  blocks.forEach((block, at) => candidates.total(totals, draws, at, block));
  for (let iteration = 1; iteration <= iterations; iteration++) {
    const at = (iteration - 1) % chunks, block = blocks[at];
    candidates.drop(totals, draws, at, block);
    draws.draw(candidates.cond, { number: iteration, ...block });
    if (iteration < iterations) candidates.total(totals, draws, at, block);
  }
  return draws;
}
