/**
 * The overfitting test: whether a small model learns one batch by heart, which any sound data and machine allow.
 *
 * @module
 */

import { encodeCaptions, loadTokenizer, trainTokenizer } from "../data/tokenizer.ts";
import type { Device } from "../gpu/device.ts";
import type { LossName } from "../losses/contrastive.ts";
import { noInformationLoss } from "../losses/no_information.ts";
import { preset } from "../models/config.ts";
import { DualEncoder } from "../models/model.ts";
import { Trainer } from "../train/trainer.ts";

/** Pairs in the batch at most, and the side of their pictures in pixels. */
export const OVERFIT_PAIRS = 32, OVERFIT_SIDE = 32;

/** A loss below this share of the no-information value counts as learned by heart, one above the other as nothing learned. */
const LEARNED = 0.05, NOTHING = 0.95;

/** What an overfitting test came to. */
export interface Overfitting {
  readonly pairs: number;
  readonly steps: number;
  readonly first: number;
  readonly last: number;
  /** The loss of a model that knows nothing. */
  readonly noInformation: number;
  /** `learned`: the loss all but vanished; `nothing`: it sits at the no-information value; `slow`: in between. */
  readonly verdict: "learned" | "slow" | "nothing";
}

/** Pairs to overfit. */
export interface OverfitPairs {
  /** [n, 32, 32, 3] RGB bytes. */
  readonly pixels: Uint8Array;
  /** [n], all different: equal captions could not be told apart. */
  readonly captions: readonly string[];
}

/**
 * Trains a small model on one batch over and over.
 *
 * @throws RangeError when there are fewer than two pairs
 * @throws {DivergenceError} when the loss is no number any more
 */
export async function overfit(
  device: Device,
  { pixels, captions }: OverfitPairs,
  { steps, loss, onProgress }: {
    steps: number;
    loss: LossName;
    onProgress?: (done: number, total: number) => void;
  },
): Promise<Overfitting> {
  const batch = captions.length;
  if (batch < 2) {
    throw new RangeError(`The overfitting test needs two different captions or more, there is ${batch}`);
  }
  const mini = preset("mini");
  const config = { ...mini, initialBias: loss === "sigmoid" ? -Math.log(batch) : 0 };
  const tokenizer = loadTokenizer(trainTokenizer(captions, { vocabularySize: config.text.vocabulary }));
  const tokens = encodeCaptions(tokenizer, captions, config.text.tokens);
  using model = DualEncoder.create(device, config, { seed: 1 });
  using trainer = await Trainer.create(model, {
    steps,
    batch,
    loss,
    seed: 1,
    learningRate: 5e-3,
    warmUp: 0.1,
  });
  const losses: number[] = [];
  for (let step = 1; step <= steps; step++) {
    trainer.step({ pixels, tokens });
    if (trainer.logCapacity === 0 || step === steps) {
      losses.push(...(await trainer.readLog()).map((line) => line.loss));
      onProgress?.(step, steps);
    }
  }
  const noInformation = noInformationLoss(loss, batch), last = losses.at(-1)!;
  const verdict = last < LEARNED * noInformation
    ? "learned"
    : last > NOTHING * noInformation
    ? "nothing"
    : "slow";
  return { pairs: batch, steps, first: losses[0], last, noInformation, verdict };
}

/** Made-up pairs that are easy to tell apart: two-coloured pictures, each with a caption of its own. */
export function madeUpPairs(): OverfitPairs {
  const length = OVERFIT_SIDE ** 2 * 3, pixels = new Uint8Array(OVERFIT_PAIRS * length);
  const captions = Array.from({ length: OVERFIT_PAIRS }, (_, pair) => {
    // Five bits choose the two halves' colours.
    const left = [pair & 1, pair & 2, pair & 4].map((bit) => bit ? 230 : 30);
    const right = [pair & 8, pair & 16, 1].map((bit) => bit ? 230 : 30);
    for (let at = 0; at < OVERFIT_SIDE ** 2; at++) {
      pixels.set(at % OVERFIT_SIDE < OVERFIT_SIDE / 2 ? left : right, pair * length + at * 3);
    }
    return `pattern ${String.fromCharCode(97 + pair % 26)}${pair}`;
  });
  return { pixels, captions };
}
