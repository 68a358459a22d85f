/**
 * Clipping, AdamW and the learning rate in float64, as PyTorch has them (`clip_grad_norm_`, `optim.AdamW`).
 * Source: decoupled weight decay, arXiv:1711.05101.
 */

/** Settings of AdamW. */
export interface AdamWSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** One parameter with its moments, all of one size. */
export interface AdamWState {
  readonly parameter: Float64Array;
  readonly firstMoment: Float64Array;
  readonly secondMoment: Float64Array;
}

/** ‖all gradients‖, and the factor min(1, limit / (norm + 1e-6)) that clips them. */
export function clipFactor(
  gradients: readonly ArrayLike<number>[],
  limit: number,
): { norm: number; factor: number } {
  let squares = 0;
  for (const gradient of gradients) {
    for (let i = 0; i < gradient.length; i++) squares += gradient[i] ** 2;
  }
  const norm = Math.sqrt(squares);
  return { norm, factor: Math.min(1, limit / (norm + 1e-6)) };
}

/**
 * One update in place: p −= lr·wd·p; then p −= lr · m̂ / (√v̂ + ε) with bias-corrected moments.
 *
 * @param step the update, from 1
 */
export function adamW(
  { parameter, firstMoment, secondMoment }: AdamWState,
  gradient: ArrayLike<number>,
  step: number,
  { learningRate, beta1, beta2, epsilon, weightDecay }: AdamWSettings,
): void {
  for (let i = 0; i < parameter.length; i++) {
    firstMoment[i] = beta1 * firstMoment[i] + (1 - beta1) * gradient[i];
    secondMoment[i] = beta2 * secondMoment[i] + (1 - beta2) * gradient[i] ** 2;
    const mean = firstMoment[i] / (1 - beta1 ** step), square = secondMoment[i] / (1 - beta2 ** step);
    parameter[i] -= learningRate * (weightDecay * parameter[i] + mean / (Math.sqrt(square) + epsilon));
  }
}

/**
 * The learning rate of update `step`, 0 … steps − 1: rising linearly to `peak` over the first `warmUp` updates, then
 * half a cosine towards 0.
 */
export function warmUpCosine(step: number, steps: number, peak: number, warmUp: number): number {
  if (step < warmUp) return peak * (step + 1) / warmUp;
  return peak * (1 + Math.cos(Math.PI * (step - warmUp) / Math.max(1, steps - warmUp))) / 2;
}
