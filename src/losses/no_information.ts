import type { LossName } from "./contrastive.ts";

/**
 * The loss of a batch about which a model knows nothing: the least that logits can reach that are equal for all b² pairs.
 *
 * Softmax: ln b. Sigmoid: every pair is said to match with probability 1/b, which costs ln b + (b − 1) ln(b / (b − 1)) an
 * example. A training whose loss stays there has learned nothing.
 *
 * @param batch b, 2 or more
 */
export function noInformationLoss(loss: LossName, batch: number): number {
  const matched = Math.log(batch);
  return loss === "softmax" ? matched : matched + (batch - 1) * Math.log(batch / (batch - 1));
}
