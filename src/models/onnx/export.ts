/**
 * A dual encoder as ONNX models, as onnxruntime and transformers.js use them.
 *
 * @module
 */

import type { Checkpoint } from "../checkpoint.ts";
import { type ModelFiles, OnnxGraph, type Value } from "./graph.ts";
import { TowerBuilder } from "./towers.ts";

/** A protobuf message ends at 2 GiB; some of it is for the nodes. */
const MOST_BYTES_INSIDE = 2 ** 31 - 2 ** 24;

/** The models that are written. */
export const onnxModelNames = ["model", "vision_model", "text_model"] as const;

/** One of them: both towers, or either alone. */
export type OnnxModelName = typeof onnxModelNames[number];

/**
 * One model as ONNX files (operator set 17, f32).
 *
 * - `model`: pixel_values [B, 3, I, I] and input_ids [C, T] to logits_per_image [B, C], logits_per_text [C, B], and unit
 *   rows image_embeds [B, E] and text_embeds [C, E];
 * - `vision_model`: pixel_values to image_embeds, and pooler_output, the same before it is scaled to unit length;
 * - `text_model`: input_ids to text_embeds and pooler_output.
 *
 * pixel_values are f32, prepared as `preprocessor_config.json` says; input_ids are int64. Logits are as this model has them,
 * with its bias.
 *
 * @param options.externalAbove bytes of weights above which they go into a file `….onnx_data` of their own; the format
 * itself allows 2 GiB in one file
 * @returns files by name, each in pieces
 * @throws TypeError when a parameter is missing
 */
export function exportOnnx(
  name: OnnxModelName,
  checkpoint: Pick<Checkpoint, "config" | "parameters">,
  { externalAbove = MOST_BYTES_INSIDE }: { externalAbove?: number } = {},
): ModelFiles {
  const graph = new OnnxGraph(), towers = new TowerBuilder(graph, checkpoint), { config } = checkpoint;
  const { vision: { imageSize }, text: { tokens }, embedding } = config;
  const vision = (batch: string): Value =>
    towers.vision(config.vision, graph.input("pixel_values", "float32", [batch, 3, imageSize, imageSize]));
  const text = (batch: string): Value =>
    towers.text(config.text, graph.input("input_ids", "int64", [batch, tokens]));
  if (name === "model") {
    const image = towers.unit(vision("image_batch_size")), caption = towers.unit(text("text_batch_size"));
    const products = graph.op("MatMul", [image, graph.op("Transpose", [caption], { perm: [1, 0] })]);
    const scaled = graph.op("Mul", [products, graph.op("Exp", [towers.weight("logit_scale")])]);
    const logits = graph.op("Add", [scaled, towers.weight("logit_bias")]);
    graph.output("logits_per_image", logits, ["image_batch_size", "text_batch_size"]);
    const transposed = graph.op("Transpose", [logits], { perm: [1, 0] });
    graph.output("logits_per_text", transposed, ["text_batch_size", "image_batch_size"]);
    graph.output("image_embeds", image, ["image_batch_size", embedding]);
    graph.output("text_embeds", caption, ["text_batch_size", embedding]);
  } else {
    const pooled = name === "vision_model" ? vision("batch_size") : text("batch_size");
    const output = name === "vision_model" ? "image_embeds" : "text_embeds";
    graph.output(output, towers.unit(pooled), ["batch_size", embedding]);
    graph.output("pooler_output", pooled, ["batch_size", embedding]);
  }
  return graph.model(`${name}.onnx`, {
    producer: "superbatch",
    description: "A dual encoder of pictures and captions.",
    externalAbove,
  });
}
