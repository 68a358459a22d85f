/**
 * A dual encoder in the layout of transformers.
 *
 * @module
 */

import { importTokenizer } from "../../data/tokenizer.ts";
import type { FileContent } from "../../storage/files.ts";
import { writeSafetensors } from "../../storage/safetensors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { dualEncoderSpecs } from "../dual_encoder.ts";
import {
  type TransformersModel,
  transformersModel,
  writePreprocessing,
  writeTransformersConfig,
} from "./hugging_face.ts";
import { exportTensors } from "./tensor_map.ts";
import { clipTensors, sigLipTensors } from "./tensor_names.ts";

/** What other libraries a model can be written for. */
export const exportFormats = ["hugging-face", "onnx"] as const;

/** A format that a model can be written in. */
export type ExportFormat = typeof exportFormats[number];

/** A model as files. */
export interface ExportedModel {
  /** By path in the model's folder, such as `config.json`. */
  readonly files: ReadonlyMap<string, FileContent>;
  /** What was left out, in sentences. */
  readonly warnings: readonly string[];
}

/**
 * The files of a model that `AutoModel`, `AutoImageProcessor` and `AutoTokenizer` of transformers load: a `SiglipModel` or a
 * `CLIPModel`, with equal outputs.
 *
 * @throws TypeError when transformers has no architecture for it
 */
export function exportModel(checkpoint: Checkpoint): ExportedModel {
  const { config, parameters } = checkpoint, model = transformersModel(config);
  const maps = (model === "clip" ? clipTensors : sigLipTensors)(config);
  const tensors = exportTensors(maps, dualEncoderSpecs(config), parameters);
  const { files, warnings } = describeModel(checkpoint, model);
  const bias = parameters.get("logit_bias")![0];
  return {
    files: new Map<string, FileContent>([...files, [
      "model.safetensors",
      writeSafetensors(tensors, { format: "pt" }),
    ]]),
    warnings: [
      ...(model === "clip" && bias !== 0
        ? [`CLIPModel has no logit bias: this model's, ${bias}, is left out. Only its logits change by it.`]
        : []),
      ...warnings,
    ],
  };
}

/**
 * All files of a model but its weights: `config.json`, `preprocessor_config.json`, and the tokenizer's where it is known.
 *
 * @param further what else `config.json` says
 * @throws TypeError when transformers cannot prepare pictures as the model needs them
 */
export function describeModel(
  { config, notes: { tokenizer } }: Checkpoint,
  model: TransformersModel,
  further: object = {},
): ExportedModel {
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  const files = new Map<string, FileContent>([
    ["config.json", json({ ...writeTransformersConfig(config, model), ...further })],
    ["preprocessor_config.json", json(writePreprocessing(config))],
  ]);
  if (!tokenizer) {
    const warning = "The model holds no tokenizer: add tokenizer.json and tokenizer_config.json yourself.";
    return { files, warnings: [warning] };
  }
  const whole = importTokenizer(tokenizer, null, { length: config.text.tokens });
  files.set("tokenizer.json", whole);
  files.set("tokenizer_config.json", json(tokenizerConfig(whole, config.text.tokens)));
  return { files, warnings: [] };
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
