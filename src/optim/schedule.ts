/**
 * The learning rate of an update: linear warm-up, then a half cosine to zero.
 *
 * @param step the update, 0 … steps − 1
 * @param steps updates of the whole run
 * @param peak the highest rate
 * @param warmUp updates of the warm-up; the paper takes 1 % of the run
 */
export function warmUpCosine(step: number, steps: number, peak: number, warmUp: number): number {
  if (step < warmUp) return peak * (step + 1) / warmUp;
  return peak * 0.5 * (1 + Math.cos(Math.PI * (step - warmUp) / Math.max(1, steps - warmUp)));
}
