/**
 * Trains a small dual encoder on batches of your own, with JEST selecting what to train on, and saves it.
 *
 *     deno run -P examples/train_own_batches.ts
 *
 * The pictures here are coloured squares and the captions name their colour; half of the captions are wrong.
 */
import { Device, DualEncoder, preset, Trainer } from "../mod.ts";
import {
  encodeCaptions,
  gatherBatch,
  loadTokenizer,
  pairDataset,
  SuperBatchLoader,
  trainTokenizer,
} from "../src/data/mod.ts";

const colors: Record<string, [number, number, number]> = {
  red: [220, 40, 40],
  green: [40, 180, 70],
  blue: [50, 80, 220],
  yellow: [240, 210, 40],
  black: [20, 20, 20],
  purple: [150, 60, 190],
};
const names = Object.keys(colors), size = 600, imageSize = 32;

/** A square of each colour in turn; the second half of the data set has captions of other colours. */
const pixels = new Uint8Array(size * imageSize * imageSize * 3);
const captions = Array.from({ length: size }, (_, i) => {
  const color = colors[names[i % names.length]];
  for (let at = 0; at < imageSize * imageSize; at++) pixels.set(color, (i * imageSize * imageSize + at) * 3);
  return `a ${names[(i < size / 2 ? i : i + 1 + i % 5) % names.length]} square`;
});
const data = await pairDataset({ name: "squares", imageSize, pixels, captions });
const config = preset("mini");
const tokenizer = loadTokenizer(trainTokenizer(captions, { vocabularySize: config.text.vocabulary }));
const tokens = encodeCaptions(tokenizer, captions, config.text.tokens);

using device = await Device.open();

/** Trains a model; with a reference's embeddings, on the most learnable tenth of each super-batch. */
async function train(steps: number, from: number, to: number, reference?: Reference): Promise<DualEncoder> {
  const model = DualEncoder.create(device, config, { seed: 1 });
  const superBatch = reference ? 60 : 6;
  using trainer = await Trainer.create(model, {
    steps,
    batch: 6,
    superBatch,
    chunks: 3,
    sampler: reference ? "joint" : "uniform",
    seed: 1,
    learningRate: 2e-3,
    warmUp: 0.1,
    reference,
  });
  const loader = new SuperBatchLoader(to - from, superBatch, 1);
  const width = config.embedding;
  for (let step = 0; step < steps; step++) {
    const indices = loader.indices(step).map((index) => index + from);
    const rows = (all: Float32Array) =>
      Float32Array.from(
        { length: superBatch * width },
        (_, i) => all[indices[Math.floor(i / width)] * width + i % width],
      );
    trainer.step({
      ...gatherBatch({ pictures: data.pictures, tokens, size }, indices),
      reference: reference && { image: rows(reference.image), text: rows(reference.text) },
    });
    if (trainer.logCapacity === 0) await trainer.readLog();
  }
  const { selected } = (await trainer.readLog()).at(-1)!;
  const right = Array.from(selected, (place) => loader.indices(steps - 1)[place] + from < size / 2);
  console.log(
    `${reference ? "JEST" : "reference"}: ${
      right.filter(Boolean).length
    } of 6 captions of the last batch are right`,
  );
  return model;
}

interface Reference {
  image: Float32Array;
  text: Float32Array;
  width: number;
  logitScale: number;
  logitBias: number;
}

using curated = await train(100, 0, size / 2);
using model = await train(100, 0, size, {
  image: await curated.embedImages(pixels),
  text: await curated.embedTexts(tokens),
  width: config.embedding,
  ...await curated.logitScaleAndBias(),
});
const checkpoint = await model.save();
console.log(`the checkpoint has ${checkpoint.length.toLocaleString("en")} bytes`);
