/** Image folders as a user has them, small. */
import { loadPairs } from "../../src/data/load_pairs.ts";
import { encodeCaptions, loadTokenizer, trainTokenizer } from "../../src/data/tokenizer.ts";
import { preset } from "../../src/models/config.ts";
import { DualEncoder } from "../../src/models/model.ts";
import { encodePng } from "../../src/report/png.ts";
import { sigLipPreprocessing } from "../../src/data/images/preprocessing.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { testDevice } from "../gpu/device.ts";

/** One picture of a folder. */
export interface Drawing {
  readonly file: string;
  readonly text: string;
  readonly color: readonly [number, number, number];
}

/** Colours that captions name. */
export const colors: Readonly<Record<string, readonly [number, number, number]>> = {
  red: [220, 40, 40],
  green: [40, 180, 70],
  blue: [50, 80, 220],
  yellow: [240, 210, 40],
};

/** A picture of two stripes, 40 pixels a side or some times that; the lower stripe tells pictures of a colour apart. */
export function drawing(color: readonly [number, number, number], number: number, scale = 1): Uint8Array {
  const side = 40 * scale, pixels = new Uint8Array(side * side * 3);
  for (let at = 0; at < side * side; at++) {
    const y = Math.floor(at / side / scale), x = Math.floor(at % side / scale);
    pixels.set(
      y * 2 < number * 3 + 6 ? color : x % (number + 3) < 3 ? [250, 250, 250] : [20, 20, 20],
      at * 3,
    );
  }
  return encodePng({ width: side, height: side, pixels });
}

/**
 * Writes a folder of pictures with `metadata.jsonl`.
 *
 * @param each pictures of each colour
 * @returns captions by file name
 */
export async function imageFolder(path: string, each = 6): Promise<Map<string, string>> {
  await Deno.mkdir(path, { recursive: true });
  const lines: string[] = [], captions = new Map<string, string>();
  for (const [name, color] of Object.entries(colors)) {
    for (let number = 0; number < each; number++) {
      const file = `${name}-${number}.png`, text = `a ${name} flag number ${number}`;
      await Deno.writeFile(`${path}/${file}`, drawing(color, number));
      lines.push(JSON.stringify({ file_name: file, text }));
      captions.set(file, text);
    }
  }
  await Deno.writeTextFile(`${path}/metadata.jsonl`, lines.join("\n") + "\n");
  return captions;
}

/** Writes a folder of class folders. */
export async function classFolders(path: string, each = 6): Promise<void> {
  for (const [name, color] of Object.entries(colors)) {
    await Deno.mkdir(`${path}/${name}`, { recursive: true });
    for (let number = 0; number < each; number++) {
      await Deno.writeFile(`${path}/${name}/${number}.png`, drawing(color, number));
    }
  }
}

/** Trains a small model on the pictures of {@link imageFolder} until it knows them, and writes its checkpoint. */
export async function trainedModel(folder: string, path: string): Promise<void> {
  const data = await loadPairs(folder, sigLipPreprocessing(32));
  const device = await testDevice(), config = { ...preset("mini"), initialBias: -Math.log(data.size) };
  const tokenizerJson = trainTokenizer(data.captions, { vocabularySize: config.text.vocabulary });
  const tokens = encodeCaptions(loadTokenizer(tokenizerJson), data.captions, config.text.tokens);
  using model = DualEncoder.create(device, config, { seed: 1, notes: { tokenizer: tokenizerJson } });
  const steps = 150;
  using trainer = await Trainer.create(model, {
    steps,
    batch: data.size,
    seed: 1,
    learningRate: 5e-3,
    warmUp: 0.1,
  });
  for (let step = 0; step < steps; step++) {
    trainer.step({ pixels: data.pictures.slice(0, data.size), tokens });
    if (trainer.logCapacity === 0) await trainer.readLog();
  }
  await Deno.writeFile(path, await model.save());
}
