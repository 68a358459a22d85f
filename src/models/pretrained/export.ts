/**
 * A dual encoder in the layout of transformers.
 *
 * @module
 */

import { writeSafetensors } from "../../storage/safetensors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { dualEncoderSpecs } from "../dual_encoder.ts";
import { transformersModel, writePreprocessing, writeTransformersConfig } from "./hugging_face.ts";
import { exportTensors } from "./tensor_map.ts";
import { clipTensors, sigLipTensors } from "./tensor_names.ts";

/** What other libraries a model can be written for. */
export const exportFormats = ["hugging-face"] as const;

/** A format that a model can be written in. */
export type ExportFormat = typeof exportFormats[number];

/** A model as files. */
export interface ExportedModel {
  /** By name: `config.json`, `model.safetensors`, `preprocessor_config.json`, and the tokenizer's where it is known. */
  readonly files: ReadonlyMap<string, Uint8Array | string>;
  /** What was left out, in sentences. */
  readonly warnings: readonly string[];
}

/**
 * The files of a model that `AutoModel`, `AutoImageProcessor` and `AutoTokenizer` of transformers load: a `SiglipModel` or a
 * `CLIPModel`, with equal outputs.
 *
 * @throws TypeError when transformers has no architecture for it
 */
export function exportModel({ config, parameters, notes }: Checkpoint): ExportedModel {
  const model = transformersModel(config), warnings: string[] = [];
  const maps = (model === "clip" ? clipTensors : sigLipTensors)(config);
  const tensors = exportTensors(maps, dualEncoderSpecs(config), parameters);
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  const files = new Map<string, Uint8Array | string>([
    ["config.json", json(writeTransformersConfig(config, model))],
    ["preprocessor_config.json", json(writePreprocessing(config))],
    ["model.safetensors", writeSafetensors(tensors, { format: "pt" })],
  ]);
  const bias = parameters.get("logit_bias")![0];
  if (model === "clip" && bias !== 0) {
    warnings.push(
      `CLIPModel has no logit bias: this model's, ${bias}, is left out. Only its logits change by it.`,
    );
  }
  if (notes.tokenizer) {
    files.set("tokenizer.json", notes.tokenizer);
    files.set("tokenizer_config.json", json(tokenizerConfig(notes.tokenizer, config.text.tokens)));
  } else {warnings.push(
      "The model holds no tokenizer: add tokenizer.json and tokenizer_config.json yourself.",
    );}
  return { files, warnings };
}

/** What `AutoTokenizer` needs beside a `tokenizer.json` that says all by itself. */
function tokenizerConfig(tokenizer: string, tokens: number): object {
  const { padding } = JSON.parse(tokenizer) as {
    padding?: { pad_token?: string; direction?: "Left" | "Right" } | null;
  };
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: tokens,
    padding_side: padding?.direction === "Left" ? "left" : "right",
    model_input_names: ["input_ids"],
    ...(padding?.pad_token ? { pad_token: padding.pad_token } : {}),
  };
}
