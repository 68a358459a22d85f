/**
 * Weights of transformers and timm as a dual encoder.
 *
 * @module
 */

import { importTokenizer, loadTokenizer } from "../../data/tokenizer.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { type DualEncoderConfig, preset, type PresetName } from "../config.ts";
import { dualEncoderSpecs } from "../dual_encoder.ts";
import { initialValues } from "../parameters.ts";
import { Fields } from "./fields.ts";
import { readPreprocessing, readTransformersConfig } from "./hugging_face.ts";
import { importTensors, type NamedTensors } from "./tensor_map.ts";
import { clipTensors, sigLipTensors, timmTensors } from "./tensor_names.ts";
import { readTimmVision } from "./timm.ts";

/** A folder as Hugging Face lays it out, in memory. */
export interface ModelFiles {
  /** What to call it in errors and notes. */
  readonly name: string;
  /** Texts by file name: `config.json`, `preprocessor_config.json`, `tokenizer.json`, … */
  readonly texts: ReadonlyMap<string, string>;
  /** All tensors of its safetensors files. */
  readonly tensors: NamedTensors;
}

/** Options of {@link importModel}. */
export interface ImportOptions {
  /** The preset whose text tower, not yet trained, goes with an image tower of timm; `S/16` when left out. */
  readonly textPreset?: PresetName;
  /** Seed of what the weights do not hold; 1 when left out. */
  readonly seed?: number;
}

/** Imported weights. */
export interface ImportedModel extends Checkpoint {
  /** Which layout they were in: `siglip`, `clip` or `timm`. */
  readonly layout: "siglip" | "clip" | "timm";
  /** Names of the parameters that the weights do not hold, and that are not trained. */
  readonly initialised: readonly string[];
}

/**
 * A dual encoder from weights in the layout of transformers (SigLIP, SigLIP 2 at a fixed resolution, CLIP), or an image tower
 * from timm's (ViT, FlexiViT, SigLIP's), to which a text tower is to be trained. F32, F16, BF16 and F64 become f32.
 *
 * @throws TypeError when they are of another architecture: it names the tensor and both shapes
 * @throws RangeError when the configuration does not fit together
 *
 * @example
 * ```ts
 * import { importModel } from "@superbatch/superbatch";
 *
 * const files = { name: "nothing", texts: new Map([["config.json", '{"model_type": "bert"}']]), tensors: new Map() };
 * try {
 *   importModel(files);
 * } catch (error) {
 *   console.log((error as Error).message); // nothing: config.json: "model_type" is "bert", expected …
 * }
 * ```
 */
export function importModel(files: ModelFiles, options: ImportOptions = {}): ImportedModel {
  const { name, texts } = files, text = texts.get("config.json");
  try {
    if (text === undefined) throw new TypeError("it has no config.json");
    const fields = Fields.parse(text, "config.json");
    return fields.has("architecture") && !fields.has("model_type")
      ? importTimm(files, fields, options)
      : importTransformers(files, fields);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) {
      error.message = `${name}: ${error.message}`;
    }
    throw error;
  }
}

function importTransformers({ name, texts, tensors }: ModelFiles, fields: Fields): ImportedModel {
  const { model, config: described } = readTransformersConfig(fields);
  const { vision } = described;
  const config: DualEncoderConfig = {
    ...described,
    vision: { ...vision, preprocessing: readPreprocessing(processorFields(texts), model, vision.imageSize) },
  };
  const specs = dualEncoderSpecs(config);
  const maps = (model === "clip" ? clipTensors : sigLipTensors)(config);
  const architecture = model === "clip" ? "CLIPModel" : "SiglipModel";
  // Older files hold the numbers 0 … T − 1 beside the positions.
  const ignored = (tensor: string) => tensor.endsWith(".position_ids");
  const parameters = importTensors(maps, specs, tensors, architecture, ignored);
  if (!parameters.has("logit_bias")) parameters.set("logit_bias", new Float32Array(1));
  const tokenizer = tokenizerOf(texts, config);
  return {
    layout: model,
    config,
    parameters,
    notes: { source: name, ...(tokenizer === null ? {} : { tokenizer }) },
    initialised: [],
  };
}

function importTimm({ name, tensors }: ModelFiles, fields: Fields, options: ImportOptions): ImportedModel {
  const { textPreset = "S/16", seed = 1 } = options;
  const { vision, classPosition } = readTimmVision(fields, tensors);
  const config: DualEncoderConfig = { ...preset(textPreset), vision, embedding: vision.width };
  const specs = dualEncoderSpecs(config);
  const classifier = /^(head|fc_norm)\./;
  const maps = timmTensors(vision, classPosition);
  const architecture = `timm's ${fields.text("architecture")}`;
  const parameters = importTensors(maps, specs, tensors, architecture, (tensor) => classifier.test(tensor));
  const initialised: string[] = [];
  specs.forEach(({ name: parameter, shape, initializer }, at) => {
    if (parameters.has(parameter)) return;
    initialised.push(parameter);
    const values = initialValues(initializer, shape.reduce((a, b) => a * b), seed, at);
    // The embedding starts as what timm pools.
    if (parameter === "image.head.weight") {
      values.forEach((_, i) => values[i] = i % (vision.width + 1) ? 0 : 1);
    }
    parameters.set(parameter, values);
  });
  return { layout: "timm", config, parameters, notes: { source: name }, initialised };
}

/** What says how pictures are prepared: a file of its own, or a part of the processor's. */
function processorFields(texts: ReadonlyMap<string, string>): Fields | null {
  const own = texts.get("preprocessor_config.json"), whole = texts.get("processor_config.json");
  if (own !== undefined) return Fields.parse(own, "preprocessor_config.json");
  if (whole === undefined) return null;
  const processor = Fields.parse(whole, "processor_config.json");
  return processor.has("image_processor") ? processor.object("image_processor") : null;
}

/** The text of a `tokenizer.json` that says all by itself; null where the weights come without one. */
function tokenizerOf(texts: ReadonlyMap<string, string>, { text }: DualEncoderConfig): string | null {
  const json = texts.get("tokenizer.json"), said = texts.get("tokenizer_config.json") ?? null;
  if (json === undefined) return null;
  // SigLIP 2 was trained on captions in lower case, which Gemma's tokenizer does not make.
  const lowercase = said !== null && /"tokenizer_class":\s*"Gemma/.test(said);
  const tokenizer = importTokenizer(json, said, { length: text.tokens, lowercase });
  const { vocabularySize } = loadTokenizer(tokenizer);
  if (vocabularySize > text.vocabulary) {
    throw new TypeError(
      `tokenizer.json gives ids up to ${
        vocabularySize - 1
      }, and config.json has a vocabulary of ${text.vocabulary}: ` +
        "take both from one model",
    );
  }
  return tokenizer;
}
