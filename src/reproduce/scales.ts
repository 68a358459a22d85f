/**
 * How large the miniature is.
 *
 * @module
 */

import type { TrainOptionsInput } from "../config/train_options.ts";

/** What the claims of one scale have in common. */
export interface Scale {
  readonly name: string;
  /** For help and reports. */
  readonly description: string;
  /** Options of every arm, unless a claim asks for others. */
  readonly options: TrainOptionsInput & { readonly steps: number };
  /** Updates of the long uniform run that others are held against. */
  readonly longSteps: number;
  /** Pairs that selection is studied on, without training. */
  readonly candidates: number;
  /** Batches of which the cost of a smaller one is measured, descending; the first is the usual one. */
  readonly batches: readonly number[];
  /** Fine and coarse patches, in pixels. */
  readonly patches: readonly [fine: number, coarse: number];
}

/** Names of the scales. */
export type ScaleName = "small" | "gpu";

/** All scales: `small` runs on two cores without a GPU, `gpu` is for a real one. */
export const scales: Readonly<Record<ScaleName, Scale>> = {
  small: {
    name: "small",
    description: "the default experiment: width 64, batches of 64, a pool of 20,000 with 10 % in-domain",
    options: { steps: 320, preset: "mini", batch: 64, chunks: 8, referenceSteps: 800 },
    longSteps: 1600,
    candidates: 1280,
    batches: [64, 32, 16],
    patches: [8, 16],
  },
  gpu: {
    name: "gpu",
    description: "width 128, batches of 128, a pool of 22,000 with 20 % in-domain",
    options: {
      steps: 640,
      preset: "midi",
      batch: 128,
      chunks: 16,
      poolSize: 22_000,
      inDomain: 0.2,
      referenceSteps: 1500,
    },
    longSteps: 6400,
    candidates: 5120,
    batches: [128, 64, 32],
    patches: [8, 16],
  },
};

/** All names, for help and checks. */
export const scaleNames = Object.keys(scales) as readonly ScaleName[];
