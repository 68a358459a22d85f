/** A dual encoder so small that a step takes milliseconds, and random pairs for it. */
import type { Device } from "../../src/gpu/device.ts";
import type { DualEncoderConfig } from "../../src/models/config.ts";
import { DualEncoder } from "../../src/models/model.ts";
import { randomWord, Stream } from "../../src/random/philox.ts";
import type { SuperBatch, TrainerOptions } from "../../src/train/trainer.ts";

/** Two blocks of width 16; 8×8 pixels in 4 patches; 5 tokens of 300. */
export function tinyConfig(pool: "map" | "flatten" = "map"): DualEncoderConfig {
  const tower = { width: 16, depth: 2, heads: 2, hidden: 64 };
  return {
    vision: { ...tower, imageSize: 8, patchSize: 4, pool },
    text: { ...tower, tokens: 5, vocabulary: 300, initialDeviation: 0.25 },
    embedding: 16,
    initialScale: Math.log(10),
    initialBias: -2,
  };
}

/** A trainable tiny model. */
export function tinyModel(device: Device, { seed = 1, pool = "map" as "map" | "flatten" } = {}): DualEncoder {
  return DualEncoder.create(device, tinyConfig(pool), { seed });
}

/** Columns of the reference embeddings in {@link randomPairs}. */
export const REFERENCE_WIDTH = 8;

/** Random pairs with the unit embeddings of a reference that finds every third pair easy. */
export function randomPairs(count: number, seed = 1): Required<SuperBatch> {
  const word = (step: number, i: number) => randomWord(seed, Stream.data, step, i);
  const unit = (step: number) => {
    const rows = Float32Array.from(
      { length: count * REFERENCE_WIDTH },
      (_, i) => word(step, i) / 2 ** 31 - 1,
    );
    for (let row = 0; row < count; row++) {
      const part = rows.subarray(row * REFERENCE_WIDTH, (row + 1) * REFERENCE_WIDTH);
      const length = Math.hypot(...part);
      part.forEach((value, d) => part[d] = value / length);
    }
    return rows;
  };
  const image = unit(2), text = unit(3);
  for (let row = 0; row < count; row += 3) {
    text.set(image.subarray(row * REFERENCE_WIDTH, (row + 1) * REFERENCE_WIDTH), row * REFERENCE_WIDTH);
  }
  return {
    pixels: Uint8Array.from({ length: count * 8 * 8 * 3 }, (_, i) => word(0, i) & 0xff),
    tokens: Uint32Array.from({ length: count * 5 }, (_, i) => word(1, i) % 300),
    reference: { image, text },
  };
}

/** The pairs at `places`, in that order. */
export function pick(
  { pixels, tokens, reference }: Required<SuperBatch>,
  places: ArrayLike<number>,
): Required<SuperBatch> {
  const rows = <T extends Uint8Array | Uint32Array | Float32Array>(all: T, width: number): T => {
    const picked = all.slice(0, places.length * width) as T;
    Array.from(places).forEach((place, row) =>
      picked.set(all.subarray(place * width, (place + 1) * width), row * width)
    );
    return picked;
  };
  return {
    pixels: rows(pixels, 8 * 8 * 3),
    tokens: rows(tokens, 5),
    reference: { image: rows(reference.image, REFERENCE_WIDTH), text: rows(reference.text, REFERENCE_WIDTH) },
  };
}

/** Eight of 24 by joint selection in two chunks. */
export const jointOptions: TrainerOptions = {
  steps: 100,
  batch: 8,
  superBatch: 24,
  sampler: "joint",
  chunks: 2,
  gain: 1,
  seed: 1,
  learningRate: 1e-3,
  reference: { logitScale: 10, logitBias: -5, width: REFERENCE_WIDTH },
};

/** Eight of eight, all trained. */
export const uniformOptions: TrainerOptions = { steps: 100, batch: 8, seed: 1, learningRate: 1e-3 };
