/**
 * Configurations of timm's vision transformers.
 *
 * @module
 */

import { sigLipPreprocessing } from "../../data/images/preprocessing.ts";
import type { VisionConfig } from "../config.ts";
import type { Fields } from "./fields.ts";
import type { NamedTensors } from "./tensor_map.ts";

/** An image tower as timm describes it, mostly by the shapes of its tensors. */
export interface TimmVision {
  readonly vision: VisionConfig;
  /** Whether the class token has a position of its own. */
  readonly classPosition: boolean;
}

/** Head widths of timm's sizes whose heads are not 64 wide. */
const headWidths: Record<number, number> = { 1152: 72, 1280: 80, 1408: 88, 1664: 104 };

/**
 * The image tower that a `config.json` and the tensors of timm describe.
 *
 * @throws TypeError when it is no plain vision transformer
 */
export function readTimmVision(fields: Fields, tensors: NamedTensors): TimmVision {
  const architecture = fields.text("architecture");
  const shapeOf = (name: string, axes: number): readonly number[] => {
    const shape = tensors.get(name)?.shape;
    if (shape?.length === axes) return shape;
    throw new TypeError(
      `"${name}" is ${
        shape ? `[${shape}]` : "missing"
      }, expected ${axes} axes: "${architecture}" is no vision ` +
        "transformer of timm with absolute positions",
    );
  };
  const [width, , patchSize] = shapeOf("patch_embed.proj.weight", 4);
  const [, positions] = shapeOf("pos_embed", 3), [hidden] = shapeOf("blocks.0.mlp.fc1.weight", 2);
  let depth = 1;
  while (tensors.has(`blocks.${depth}.norm1.weight`)) depth++;
  const pool = fields.text("global_pool", tensors.has("attn_pool.latent") ? "map" : "token");
  if (pool !== "map" && pool !== "token") throw fields.wrong("global_pool", '"token" or "map"');
  // Without an own position of the class token the number is a square.
  const classPosition = pool === "token" && !Number.isInteger(Math.sqrt(positions));
  const side = Math.sqrt(classPosition ? positions - 1 : positions);
  if (!Number.isInteger(side)) {
    throw new TypeError(
      `"pos_embed" [1,${positions},${width}] is no square grid, with a class token or without`,
    );
  }
  const given = fields.object("model_args"),
    prepared = fields.object("pretrained_cfg"),
    imageSize = side * patchSize;
  const tanh = /_(so400m|giantopt)_.*siglip|_base_patch32_siglip|_large_patch16_siglip_512/.test(
    architecture,
  );
  const own = sigLipPreprocessing(imageSize);
  const filter = prepared.text("interpolation", "bicubic");
  if (filter !== "bicubic" && filter !== "bilinear") {
    throw prepared.wrong("interpolation", "bicubic or bilinear");
  }
  return {
    classPosition,
    vision: {
      width,
      depth,
      heads: given.count("num_heads", width / (headWidths[width] ?? 64)),
      hidden,
      activation: given.activation("act_layer", tanh ? "gelu_tanh" : "gelu"),
      epsilon: 1e-6,
      imageSize,
      patchSize,
      pool: pool === "map" ? "map" : "class",
      ...(tensors.has("norm_pre.weight") ? { preNorm: true } : {}),
      preprocessing: {
        filter,
        fit: prepared.text("crop_mode", "center") === "squash" ? "squash" : "crop",
        mean: prepared.three("mean", own.mean),
        std: prepared.three("std", own.std),
      },
    },
  };
}
