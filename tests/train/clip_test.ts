/** Training CLIP's architecture, from imported weights, in every way that a step can be taken. */
import assert from "node:assert/strict";
import { DualEncoder } from "../../src/models/model.ts";
import { importModel } from "../../src/models/pretrained/import.ts";
import { randomWord, Stream } from "../../src/random/philox.ts";
import { readModelFolder } from "../../src/storage/model_folder.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";

const clip = importModel(
  await readModelFolder(new URL("../fixtures/pretrained/clip_first", import.meta.url).pathname),
);
const { imageSize } = clip.config.vision, { tokens, vocabulary } = clip.config.text;
const options: TrainerOptions = {
  steps: 40,
  batch: 6,
  superBatch: 12,
  sampler: "joint",
  score: "hard-learner",
  chunks: 2,
  gain: 1,
  seed: 1,
  learningRate: 3e-3,
  loss: "softmax",
};
const batch = {
  pixels: Uint8Array.from(
    { length: 12 * imageSize ** 2 * 3 },
    (_, i) => randomWord(1, Stream.data, 0, i) & 255,
  ),
  tokens: Uint32Array.from({ length: 12 * tokens }, (_, i) => randomWord(1, Stream.data, 1, i) % vocabulary),
};

async function losses(change: Partial<TrainerOptions>, steps = 40): Promise<number[]> {
  using model = DualEncoder.from(await testDevice(), clip, { trainable: true });
  using trainer = await Trainer.create(model, { ...options, ...change });
  for (let step = 0; step < steps; step++) trainer.step(batch);
  return (await trainer.readLog()).map(({ loss }) => loss);
}

Deno.test(
  { name: "CLIP's architecture learns pairs by heart, at any patch size", ...sharesDevice },
  async () => {
    for (
      const change of [{}, { patchSize: 9 }, { scorePatchSize: 9, coarseShare: 0.5 }, { scoreDrop: 0.5 }]
    ) {
      const all = await losses(change);
      const mean = (part: number[]) => part.reduce((sum, loss) => sum + loss, 0) / part.length;
      assert.ok(mean(all.slice(-5)) < 0.5 * mean(all.slice(0, 5)), `${JSON.stringify(change)}: ${all}`);
    }
  },
);

Deno.test(
  {
    name: "CLIP's step is the same in micro-batches and computed again, and near it in f16",
    ...sharesDevice,
  },
  async () => {
    const whole = await losses({}, 3);
    for (
      const [change, tolerance] of [
        [{ recompute: true }, 0],
        [{ microBatch: 4 }, 1e-4],
        [{ microBatch: 4, recompute: true, lock: null }, 1e-4],
        [{ precision: "f16" }, 2e-2],
      ] as const
    ) {
      const other = await losses(change, 3);
      // f16 scores choose other pairs later on, so there the first step counts.
      const compared = "precision" in change ? other.slice(0, 1) : other;
      compared.forEach((loss, step) => {
        const difference = Math.abs(loss / whole[step] - 1);
        assert.ok(
          difference <= tolerance,
          `${JSON.stringify(change)}, step ${step}: ${loss}, ${whole[step]}`,
        );
      });
    }
  },
);
