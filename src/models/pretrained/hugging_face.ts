/**
 * Configurations of transformers' `SiglipModel` and `CLIPModel`, both ways.
 *
 * @module
 */

import {
  clipPreprocessing,
  type Preprocessing,
  sigLipPreprocessing,
} from "../../data/images/preprocessing.ts";
import type { Activation, DualEncoderConfig, TowerConfig } from "../config.ts";
import { preprocessingOf } from "../config.ts";
import type { Fields } from "./fields.ts";

/** The architectures of transformers that are known here. */
export type TransformersModel = "siglip" | "clip";

/** Sizes that a `config.json` leaves out where they are its architecture's own. */
const defaults = {
  siglip: {
    activation: "gelu_pytorch_tanh",
    epsilon: 1e-6,
    text: { width: 768, depth: 12, heads: 12, hidden: 3072, tokens: 64, vocabulary: 32_000 },
    vision: { width: 768, depth: 12, heads: 12, hidden: 3072, imageSize: 224, patchSize: 16 },
  },
  clip: {
    activation: "quick_gelu",
    epsilon: 1e-5,
    text: { width: 512, depth: 12, heads: 8, hidden: 2048, tokens: 77, vocabulary: 49_408 },
    vision: { width: 768, depth: 12, heads: 12, hidden: 3072, imageSize: 224, patchSize: 32 },
  },
};

/**
 * The configuration that a `config.json` of transformers describes.
 *
 * @throws TypeError when it is another architecture, or a field has no sense
 */
export function readTransformersConfig(
  fields: Fields,
): { model: TransformersModel; config: DualEncoderConfig } {
  const model = fields.text("model_type");
  if (model !== "siglip" && model !== "clip") {
    throw fields.wrong(
      "model_type",
      `"siglip" (SigLIP, and SigLIP 2 at a fixed resolution) or "clip"${
        model === "siglip2" ? `; "siglip2" takes pictures of any shape (NaFlex)` : ""
      }`,
    );
  }
  const known = defaults[model], clip = model === "clip";
  const vision = fields.object("vision_config"), text = fields.object("text_config");
  if (vision.has("num_channels") && vision.count("num_channels") !== 3) {
    throw vision.wrong("num_channels", "3");
  }
  if (!clip && vision.raw("vision_use_head") === false) throw vision.wrong("vision_use_head", "true");
  const tower = (part: Fields, own: typeof known.text | typeof known.vision): TowerConfig => ({
    width: part.count("hidden_size", own.width),
    depth: part.count("num_hidden_layers", own.depth),
    heads: part.count("num_attention_heads", own.heads),
    hidden: part.count("intermediate_size", own.hidden),
    activation: part.activation("hidden_act", known.activation),
    epsilon: part.number("layer_norm_eps", known.epsilon),
  });
  const image = tower(vision, known.vision), words = tower(text, known.text);
  const embedding = clip ? fields.count("projection_dim", 512) : text.count("projection_size", words.width);
  if (!clip && embedding !== image.width) {
    throw text.wrong("projection_size", `${image.width} as the image tower's width`);
  }
  // The id 2 is what configurations of the first CLIP models say, whose end token is the vocabulary's last.
  const end = clip ? text.number("eos_token_id", 49_407) : undefined;
  return {
    model,
    config: {
      vision: {
        ...image,
        imageSize: vision.count("image_size", known.vision.imageSize),
        patchSize: vision.count("patch_size", known.vision.patchSize),
        pool: clip ? "class" : "map",
        ...(clip ? { preNorm: true } : {}),
      },
      text: {
        ...words,
        tokens: text.count("max_position_embeddings", known.text.tokens),
        vocabulary: text.count("vocab_size", known.text.vocabulary),
        initialDeviation: 0.02,
        ...(clip ? { causal: true, headBias: false, endToken: end === 2 ? "highest" as const : end } : {}),
      },
      embedding,
      initialScale: Math.log(10),
      initialBias: clip ? 0 : -10,
    },
  };
}

/** PIL's numbers of its filters. */
const filters = { 2: "bilinear", 3: "bicubic" } as const;

/**
 * How pictures are prepared, by a `preprocessor_config.json`; by the architecture where there is none.
 *
 * @throws TypeError when pictures would be of another size than the model's, or prepared in a way that is not known here
 */
export function readPreprocessing(
  fields: Fields | null,
  model: TransformersModel,
  imageSize: number,
): Omit<Preprocessing, "imageSize"> {
  const { imageSize: _, ...own } = (model === "clip" ? clipPreprocessing : sigLipPreprocessing)(imageSize);
  if (fields === null) return own;
  const resample = fields.number("resample", 3);
  if (resample !== 2 && resample !== 3) throw fields.wrong("resample", "2 (bilinear) or 3 (bicubic)");
  const crops = (fields.raw("do_center_crop") ?? model === "clip") === true;
  const final = crops && fields.has("crop_size") ? "crop_size" : "size";
  const sides = sizesOf(fields.raw(final));
  if (fields.has(final) && (sides.length === 0 || sides.some((side) => side !== imageSize))) {
    throw fields.wrong(final, `${imageSize} as the image_size of config.json`);
  }
  const normalises = fields.raw("do_normalize") !== false;
  return {
    filter: filters[resample],
    fit: crops ? "crop" : "squash",
    mean: normalises ? fields.three("image_mean", own.mean) : [0, 0, 0],
    std: normalises ? fields.three("image_std", own.std) : [1, 1, 1],
  };
}

/** A size as these files write it: a number, `{ height, width }` or `{ shortest_edge }`. */
function sizesOf(size: unknown): unknown[] {
  return typeof size === "object" && size !== null ? Object.values(size) : size === undefined ? [] : [size];
}

const activationNames: Record<Activation, string> = {
  "gelu-tanh": "gelu_pytorch_tanh",
  "gelu": "gelu",
  "quick-gelu": "quick_gelu",
};

/**
 * The architecture of transformers that computes what this model does.
 *
 * @throws TypeError when there is none, saying what stands against it
 */
export function transformersModel({ vision, text, embedding }: DualEncoderConfig): TransformersModel {
  const sigLip = [
    vision.pool !== "map" && `it pools tokens by "${vision.pool}" (SigLIP: "map")`,
    vision.preNorm && "it normalises before the first block",
    (text.causal || text.endToken !== undefined) && "its text is causal",
    text.headBias === false && "its text head has no bias",
  ].filter(Boolean);
  const clip = [
    vision.pool !== "class" && `it pools tokens by "${vision.pool}" (CLIP: "class")`,
    !vision.preNorm && "it does not normalise before the first block",
    !(text.causal && text.endToken !== undefined) && "its text is not causal",
    text.headBias !== false && "its text head has a bias",
  ].filter(Boolean);
  if (sigLip.length === 0 && embedding === vision.width) return "siglip";
  if (clip.length === 0) return "clip";
  throw new TypeError(
    "transformers has no architecture for this model. It is no SiglipModel: " +
      `${sigLip.join(", ")}; and no CLIPModel: ${
        clip.join(", ")
      }. Only models like these can be exported to its layout`,
  );
}

/** The `config.json` of a model. */
export function writeTransformersConfig(config: DualEncoderConfig, model: TransformersModel): object {
  const { vision, text, embedding } = config, clip = model === "clip";
  const tower = ({ width, depth, heads, hidden, activation = "gelu-tanh", epsilon = 1e-6 }: TowerConfig) => ({
    hidden_size: width,
    intermediate_size: hidden,
    num_hidden_layers: depth,
    num_attention_heads: heads,
    hidden_act: activationNames[activation],
    layer_norm_eps: epsilon,
  });
  const last = text.vocabulary - 1;
  return {
    architectures: [clip ? "CLIPModel" : "SiglipModel"],
    model_type: model,
    dtype: "float32",
    ...(clip ? { projection_dim: embedding, logit_scale_init_value: 2.6592 } : {}),
    text_config: {
      model_type: `${model}_text_model`,
      ...tower(text),
      max_position_embeddings: text.tokens,
      vocab_size: text.vocabulary,
      ...(clip
        ? {
          projection_dim: embedding,
          bos_token_id: Math.max(0, last - 1),
          eos_token_id: text.endToken === "highest" ? 2 : text.endToken,
          pad_token_id: 1,
        }
        : { projection_size: embedding, bos_token_id: null, eos_token_id: 1, pad_token_id: 1 }),
    },
    vision_config: {
      model_type: `${model}_vision_model`,
      ...tower(vision),
      num_channels: 3,
      image_size: vision.imageSize,
      patch_size: vision.patchSize,
      ...(clip ? { projection_dim: embedding } : { vision_use_head: true }),
    },
  };
}

/**
 * The `preprocessor_config.json` of a model.
 *
 * @throws TypeError when transformers cannot prepare pictures so
 */
export function writePreprocessing({ vision }: DualEncoderConfig): object {
  const { imageSize, filter, fit, mean, std } = preprocessingOf(vision);
  if (fit === "pad") {
    throw new TypeError(
      'transformers cannot prepare pictures as this model needs them: it pads them (fit "pad"), which neither ' +
        "SiglipImageProcessor nor CLIPImageProcessor does",
    );
  }
  const square = { height: imageSize, width: imageSize };
  return {
    image_processor_type: fit === "crop" ? "CLIPImageProcessor" : "SiglipImageProcessor",
    do_convert_rgb: true,
    do_resize: true,
    resample: filter === "bilinear" ? 2 : 3,
    size: fit === "crop" ? { shortest_edge: imageSize } : square,
    do_center_crop: fit === "crop",
    ...(fit === "crop" ? { crop_size: square } : {}),
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  };
}
