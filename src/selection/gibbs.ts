import type { Graph } from "../graph/graph.ts";
import type { Candidates } from "./candidates.ts";
import { Draws } from "./draw.ts";
import { chunkSizes, type Drawn, type DrawRequest } from "./selection.ts";

/** Redraws unless another number is given: by then the paper's batch scores have stopped rising. */
export const GIBBS_ITERATIONS = 2000;

/** Draws of a selection have numbers below 65,536, and the first is the random set. */
const MOST_ITERATIONS = 65_535;

/**
 * Brute-force Gibbs sampling, the baseline that joint selection is measured against: from a uniform set of b, one member
 * after another is dropped and drawn again with p ∝ exp(cond), cond given all others; the dropped one may return. The
 * paper (arXiv:2406.17711) names it without pseudo-code. One at a time, because members that are drawn together do not
 * see each other: in blocks of b / 16 the scores settle below those of joint selection.
 *
 * What a part of the selection means to every candidate is kept for N parts, [N, S]. A redraw takes the total of its
 * part anew without the dropped member, and nothing is ever subtracted: sums do not drift, and log-sum-exps need not be
 * undone. So N changes the time and the memory, and the result by no more than rounding. Fewer iterations with the same
 * seed are the beginning of more.
 *
 * @throws RangeError unless 1 ≤ N ≤ b ≤ S and 0 ≤ iterations ≤ 65,535
 */
export function drawByGibbs(graph: Graph, request: DrawRequest, candidates: Candidates): Drawn {
  const { superBatch, batch, chunks, iterations } = request;
  const sizes = chunkSizes(superBatch, batch, chunks);
  if (!Number.isInteger(iterations) || iterations < 0 || iterations > MOST_ITERATIONS) {
    throw new RangeError(
      `Cannot redraw ${iterations} times: choose a whole number of iterations from 0 to ${MOST_ITERATIONS}`,
    );
  }
  let next = 0;
  const parts = sizes.map((members) => ({ first: (next += members) - members, members }));
  const partOf = parts.flatMap(({ members }, part) => Array<number>(members).fill(part));

  const draws = new Draws(graph, request, iterations + 1);
  draws.draw(null, { number: 0, first: 0, members: batch });
  const totals = candidates.totals(chunks);
  parts.forEach((run, part) => candidates.total(totals, draws, part, [run]));
  for (let iteration = 1; iteration <= iterations; iteration++) {
    const place = (iteration - 1) % batch, part = partOf[place], { first, members } = parts[part];
    const dropped = { first: place, members: 1 }, after = place + 1;
    const others = [{ first, members: place - first }, { first: after, members: first + members - after }]
      .filter(({ members }) => members > 0);
    candidates.total(totals, draws, part, others);
    candidates.free(totals, draws, dropped, others.length === 0 ? part : undefined);
    draws.draw(candidates.cond, { number: iteration, ...dropped });
    // The next redraw in this part takes its total anew; one in another part needs it whole.
    if (after === first + members) candidates.total(totals, draws, part, [dropped], others.length > 0);
  }
  return draws;
}
