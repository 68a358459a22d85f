/**
 * Ranks with ties: what a query scores on average when ties are broken at random.
 *
 * A match with `above` wrong answers strictly above it and `tied` wrong answers beside it takes each of the ranks
 * above + 1 … above + tied + 1 with equal probability. So a constant model scores exactly chance: counting a tie as
 * won would give it R@1 = 1.
 *
 * @module
 */

/** Probability that the match is among the first `k`. */
export function hitAt(k: number, above: number, tied: number): number {
  return Math.min(Math.max(k - above, 0) / (tied + 1), 1);
}

/** Mean of 1 / rank. */
export function reciprocalRank(above: number, tied: number): number {
  let sum = 0;
  for (let rank = above + 1; rank <= above + tied + 1; rank++) sum += 1 / rank;
  return sum / (tied + 1);
}

/** Mean of (rank − 1) / wrong: 0 best, 0.5 chance, 1 worst; 0 when there is no wrong answer. */
export function normalizedRank(above: number, tied: number, wrong: number): number {
  return wrong === 0 ? 0 : (above + tied / 2) / wrong;
}
