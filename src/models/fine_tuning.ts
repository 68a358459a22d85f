/**
 * What of a model is trained, and how fast: for models that were trained before.
 *
 * @module
 */

import type { DualEncoderConfig } from "./config.ts";

/** A tower that can be locked: it then keeps its parameters (LiT, arXiv:2111.07991, locks the image tower). */
export type TowerName = "image" | "text";

/** All towers. */
export const towerNames: readonly TowerName[] = ["image", "text"];

/** How a training treats the parts of a model. */
export interface FineTuning {
  /** The tower that keeps its parameters; none when left out. */
  readonly lock?: TowerName | null;
  /**
   * Factor on the learning rate from each layer of a tower to the one before it, above 0 up to 1; 1 when left out. The last
   * norm and the head learn at the full rate, the embeddings slowest (BEiT, arXiv:2106.08254).
   */
  readonly layerDecay?: number;
}

/** The factor on the learning rate of a parameter; 0 when its tower is locked. */
export function learningRateFactor(
  parameter: string,
  { vision, text }: DualEncoderConfig,
  { lock = null, layerDecay = 1 }: FineTuning,
): number {
  const [tower, part, index] = parameter.split(".");
  if (tower !== "image" && tower !== "text") return 1; // scale and bias
  if (tower === lock) return 0;
  const depth = (tower === "image" ? vision : text).depth;
  const embeds = ["patch", "position", "class", "pre_norm", "token"].includes(part);
  const layer = embeds ? 0 : part === "block" ? Number(index) + 1 : depth + 1;
  return layerDecay ** (depth + 1 - layer);
}
