/**
 * The names that transformers and timm give to the parameters of dual encoders.
 *
 * @module
 */

import type { DualEncoderConfig, TowerConfig, VisionConfig } from "../config.ts";
import type { TensorMap } from "./tensor_map.ts";

/** A linear layer of `out` rows. */
function linear(ours: string, theirs: string, out: number, fanIn: number, bias = true): TensorMap[] {
  const weight: TensorMap = {
    ours: `${ours}.weight`,
    theirs: `${theirs}.weight`,
    shape: [out, fanIn],
    layout: "linear",
  };
  return bias ? [weight, ...vector(`${ours}.bias`, `${theirs}.bias`, out)] : [weight];
}

function vector(ours: string, theirs: string, length: number): TensorMap[] {
  return [{ ours, theirs, shape: [length], layout: "copy" }];
}

function norm(ours: string, theirs: string, width: number): TensorMap[] {
  return ["weight", "bias"].flatMap((part) => vector(`${ours}.${part}`, `${theirs}.${part}`, width));
}

function mlp(ours: string, theirs: string, { width, hidden }: TowerConfig): TensorMap[] {
  return [
    ...linear(`${ours}.in`, `${theirs}.fc1`, hidden, width),
    ...linear(`${ours}.out`, `${theirs}.fc2`, width, hidden),
  ];
}

const patches = ({ width, patchSize }: VisionConfig, theirs: string): TensorMap => ({
  ours: "image.patch.kernel",
  theirs,
  shape: [width, 3, patchSize, patchSize],
  layout: "convolution",
});

const gridOf = ({ imageSize, patchSize }: VisionConfig) => (imageSize / patchSize) ** 2;

/** Blocks of a tower in transformers, where q, k and v are layers of their own. */
function transformersBlocks(tower: "image" | "text", theirs: string, config: TowerConfig): TensorMap[] {
  const { width, depth } = config;
  return Array.from({ length: depth }, (_, index) => {
    const ours = `${tower}.block.${index}`, layer = `${theirs}.encoder.layers.${index}`;
    return [
      ...norm(`${ours}.norm1`, `${layer}.layer_norm1`, width),
      ...["q", "k", "v"].flatMap((part, at) =>
        linear(`${ours}.attention.qkv`, `${layer}.self_attn.${part}_proj`, width, width)
          .map((map) => ({ ...map, at: at * width }))
      ),
      ...linear(`${ours}.attention.out`, `${layer}.self_attn.out_proj`, width, width),
      ...norm(`${ours}.norm2`, `${layer}.layer_norm2`, width),
      ...mlp(`${ours}.mlp`, `${layer}.mlp`, config),
    ];
  }).flat();
}

function transformersText(config: DualEncoderConfig["text"]): TensorMap[] {
  const { width, tokens, vocabulary } = config;
  const embeddings = "text_model.embeddings";
  return [
    {
      ours: "text.token",
      theirs: `${embeddings}.token_embedding.weight`,
      shape: [vocabulary, width],
      layout: "copy",
    },
    {
      ours: "text.position",
      theirs: `${embeddings}.position_embedding.weight`,
      shape: [tokens, width],
      layout: "copy",
    },
    ...transformersBlocks("text", "text_model", config),
    ...norm("text.norm", "text_model.final_layer_norm", width),
  ];
}

/** Every tensor of `SiglipModel` (SigLIP, arXiv:2303.15343; SigLIP 2 at a fixed resolution, arXiv:2502.14786). */
export function sigLipTensors({ vision, text, embedding }: DualEncoderConfig): TensorMap[] {
  const { width } = vision, head = "vision_model.head";
  const projection = `${head}.attention.in_proj`;
  return [
    patches(vision, "vision_model.embeddings.patch_embedding.weight"),
    ...vector("image.patch.bias", "vision_model.embeddings.patch_embedding.bias", width),
    {
      ours: "image.position",
      theirs: "vision_model.embeddings.position_embedding.weight",
      shape: [gridOf(vision), width],
      layout: "copy",
    },
    ...transformersBlocks("image", "vision_model", vision),
    ...norm("image.norm", "vision_model.post_layernorm", width),
    { ours: "image.pool.probe", theirs: `${head}.probe`, shape: [1, 1, width], layout: "copy" },
    // One projection of theirs is q, and k beside v, of ours.
    ...([["q", 0, width], ["kv", width, 3 * width]] as const).flatMap(([part, from, to]): TensorMap[] => [
      {
        ours: `image.pool.${part}.weight`,
        theirs: `${projection}_weight`,
        shape: [3 * width, width],
        layout: "linear",
        rows: [from, to],
      },
      {
        ours: `image.pool.${part}.bias`,
        theirs: `${projection}_bias`,
        shape: [3 * width],
        layout: "copy",
        rows: [from, to],
      },
    ]),
    ...linear("image.pool.out", `${head}.attention.out_proj`, width, width),
    ...norm("image.pool.norm", `${head}.layernorm`, width),
    ...mlp("image.pool.mlp", `${head}.mlp`, vision),
    ...transformersText(text),
    ...linear("text.head", "text_model.head", embedding, text.width),
    ...["logit_scale", "logit_bias"].flatMap((name) => vector(name, name, 1)),
  ];
}

/** Every tensor of `CLIPModel` (CLIP, arXiv:2103.00020). Its position of the class token is one with that token here. */
export function clipTensors({ vision, text, embedding }: DualEncoderConfig): TensorMap[] {
  const { width } = vision, embeddings = "vision_model.embeddings", grid = gridOf(vision);
  const positions = {
    theirs: `${embeddings}.position_embedding.weight`,
    shape: [grid + 1, width],
    layout: "copy",
  } as const;
  return [
    patches(vision, `${embeddings}.patch_embedding.weight`),
    { ours: "image.class", theirs: `${embeddings}.class_embedding`, shape: [width], layout: "copy" },
    { ours: "image.class", ...positions, rows: [0, 1], added: true },
    { ours: "image.position", ...positions, rows: [1, grid + 1] },
    ...norm("image.pre_norm", "vision_model.pre_layrnorm", width), // so it is spelled
    ...transformersBlocks("image", "vision_model", vision),
    ...norm("image.norm", "vision_model.post_layernorm", width),
    ...linear("image.head", "visual_projection", embedding, width, false),
    ...transformersText(text),
    ...linear("text.head", "text_projection", embedding, text.width, false),
    { ours: "logit_scale", theirs: "logit_scale", shape: [], layout: "copy" },
  ];
}

/**
 * Every tensor of timm's `VisionTransformer` but its classifier (ViT, arXiv:2010.11929; FlexiViT, arXiv:2212.08013; SigLIP's
 * image towers).
 *
 * @param classPosition whether the class token has a position of its own
 */
export function timmTensors(vision: VisionConfig, classPosition: boolean): TensorMap[] {
  const { width, depth, pool, preNorm } = vision, grid = gridOf(vision), first = classPosition ? 1 : 0;
  const positions = { theirs: "pos_embed", shape: [1, grid + first, width], layout: "copy" } as const;
  return [
    patches(vision, "patch_embed.proj.weight"),
    ...(preNorm
      ? norm("image.pre_norm", "norm_pre", width)
      : vector("image.patch.bias", "patch_embed.proj.bias", width)),
    ...(pool === "class"
      ? [{ ours: "image.class", theirs: "cls_token", shape: [1, 1, width], layout: "copy" } as const]
      : []),
    ...positionMaps(positions, classPosition),
    ...Array.from({ length: depth }, (_, index) => {
      const ours = `image.block.${index}`, theirs = `blocks.${index}`;
      return [
        ...norm(`${ours}.norm1`, `${theirs}.norm1`, width),
        ...linear(`${ours}.attention.qkv`, `${theirs}.attn.qkv`, 3 * width, width),
        ...linear(`${ours}.attention.out`, `${theirs}.attn.proj`, width, width),
        ...norm(`${ours}.norm2`, `${theirs}.norm2`, width),
        ...mlp(`${ours}.mlp`, `${theirs}.mlp`, vision),
      ];
    }).flat(),
    ...norm("image.norm", "norm", width),
    ...(pool === "map"
      ? [
        {
          ours: "image.pool.probe",
          theirs: "attn_pool.latent",
          shape: [1, 1, width],
          layout: "copy",
        } as const,
        ...linear("image.pool.q", "attn_pool.q", width, width),
        ...linear("image.pool.kv", "attn_pool.kv", 2 * width, width),
        ...linear("image.pool.out", "attn_pool.proj", width, width),
        ...norm("image.pool.norm", "attn_pool.norm", width),
        ...mlp("image.pool.mlp", "attn_pool.mlp", vision),
      ]
      : []),
  ];
}

/** timm's positions [1, tokens, D], of which the class token's, if there, comes first. */
function positionMaps(
  positions: Pick<TensorMap, "theirs" | "shape" | "layout">,
  classPosition: boolean,
): TensorMap[] {
  if (!classPosition) return [{ ours: "image.position", ...positions }];
  const [, tokens] = positions.shape;
  return [
    { ours: "image.class", ...positions, rows: [0, 1], added: true, axis: 1 },
    { ours: "image.position", ...positions, rows: [1, tokens], axis: 1 },
  ];
}
