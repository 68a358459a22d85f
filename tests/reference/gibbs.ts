/**
 * The brute-force baseline of joint selection in float64: Gibbs sampling, one member at a time.
 *
 * S examples of the super-batch, b selected. The JEST paper (arXiv:2406.17711) names it without pseudo-code.
 */

import { type StreamId, uniform } from "../../src/random/philox.ts";
import { batchLearnability, conditionalScores } from "./joint_selection.ts";

/** How {@link gibbs} draws. */
export interface GibbsSettings {
  /** b */
  readonly batch: number;
  /** Factor on the scores. */
  readonly gain: number;
  /** Members that are redrawn, one after another. */
  readonly iterations: number;
  readonly seed: number;
  readonly stream: StreamId;
}

/**
 * From a uniform set of b, drops a random member and draws one ∝ exp(gain · conditional score) given the rest (the
 * dropped one may return), again and again.
 *
 * @param scores [S, S] at gain 1
 * @returns the set, and the batch's learnability after each iteration
 */
export function gibbs(
  scores: Float64Array,
  examples: number,
  { batch, gain, iterations, seed, stream }: GibbsSettings,
): { members: number[]; trace: number[] } {
  const draw = (iteration: number, index: number) => uniform(seed, stream, iteration, index);
  const noise = Float64Array.from({ length: examples }, (_, i) => draw(0, i));
  const members = Array.from(noise.keys()).sort((i, j) => noise[j] - noise[i]).slice(0, batch);
  const trace: number[] = [];
  for (let iteration = 1; iteration <= iterations; iteration++) {
    members.splice(Math.floor(draw(iteration, examples) * batch), 1);
    let best = -1, highest = -Infinity;
    conditionalScores(scores, examples, members).forEach((score, i) => {
      const key = gain * score - Math.log(-Math.log(draw(iteration, i)));
      if (key > highest && !members.includes(i)) [best, highest] = [i, key];
    });
    members.push(best);
    trace.push(batchLearnability(scores, examples, members));
  }
  return { members, trace };
}
