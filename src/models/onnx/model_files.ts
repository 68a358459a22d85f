/**
 * A folder of ONNX models with what transformers.js needs beside them.
 *
 * @module
 */

import type { FileContent } from "../../storage/files.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { VisionConfig } from "../config.ts";
import { describeModel, type ExportedModel } from "../pretrained/export.ts";
import { exportOnnx, onnxModelNames } from "./export.ts";

/**
 * A model as ONNX: `onnx/model.onnx` with both towers, `onnx/vision_model.onnx` and `onnx/text_model.onnx` with one each,
 * and beside them `config.json`, `preprocessor_config.json` and the tokenizer, as transformers.js expects them.
 *
 * @param options.externalAbove bytes of weights above which a model's go into a file of their own, `….onnx_data`; the format
 * itself allows 2 GiB in one file
 * @throws TypeError when a parameter is missing, or pictures are padded, which transformers.js cannot do
 */
export function exportOnnxModel(
  checkpoint: Checkpoint,
  options: { externalAbove?: number } = {},
): ExportedModel {
  const { vision } = checkpoint.config, external: Record<string, number> = {};
  const models = new Map<string, FileContent>();
  for (const name of onnxModelNames) {
    for (const [file, parts] of exportOnnx(name, checkpoint, options)) {
      models.set(`onnx/${file}`, parts);
      if (file.endsWith("_data")) external[`${name}.onnx`] = 1; // so many files
    }
  }
  const { files, warnings } = describeModel(
    checkpoint,
    vision.pool === "class" ? "clip" : "siglip",
    Object.keys(external).length > 0
      ? { "transformers.js_config": { use_external_data_format: external } }
      : {},
  );
  return {
    files: new Map<string, FileContent>([...models, ...files]),
    warnings: [...warnings, ...unlike(vision)],
  };
}

/** What config.json cannot say of a model that transformers does not have. */
function unlike({ pool }: VisionConfig): string[] {
  return pool === "flatten"
    ? [
      'config.json calls it "siglip", so that transformers.js finds a class for it; its head, "flatten", is in the ONNX ' +
      "models alone.",
    ]
    : [];
}
