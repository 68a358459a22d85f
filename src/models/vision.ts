/**
 * The image tower: a vision transformer, with a class token or without.
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { pooledAttention } from "../ops/attention.ts";
import { prependToken } from "../ops/class_token.ts";
import { firstTokens } from "../ops/gather.ts";
import { linear } from "../ops/matmul.ts";
import { embedPatches, resizeTokenWeight } from "../ops/patch_embedding.ts";
import { choosePatches, keepPatches, type PatchDropping, restorePatches } from "../ops/patch_dropping.ts";
import { preprocessingOf, type VisionConfig } from "./config.ts";
import type { ParameterSpec, ParameterTensors } from "./parameters.ts";
import {
  blockSpecs,
  linearLayer,
  linearSpecs,
  mlpSpecs,
  normLayer,
  normSpecs,
  residualMlp,
  transformer,
} from "./transformer.ts";

/** How finely the image tower sees pictures. */
export interface Resolution {
  /** Side of the patches, in pixels; the stored kernel is resized to it. */
  readonly patchSize: number;
  /** Which patches it sees; all when left out. */
  readonly dropping?: PatchDropping;
}

/** The image tower's parameters. */
export function visionSpecs(config: VisionConfig, embedding: number): ParameterSpec[] {
  const { width, imageSize, patchSize, pool, preNorm = false } = config;
  const patch = patchSize * patchSize * 3, tokens = (imageSize / patchSize) ** 2;
  const position = { kind: "normal", deviation: 1 / Math.sqrt(width) } as const;
  return [
    // LeCun-normal, as big_vision's convolution starts.
    {
      name: "image.patch.kernel",
      shape: [patch, width],
      initializer: { kind: "normal", deviation: 1 / Math.sqrt(patch) },
      decay: true,
    },
    ...(preNorm ? [] : [
      {
        name: "image.patch.bias",
        shape: [width],
        initializer: { kind: "constant", value: 0 },
        decay: false,
      } as const,
    ]),
    { name: "image.position", shape: [tokens, width], initializer: position, decay: false },
    ...(pool === "class"
      ? [{ name: "image.class", shape: [1, width], initializer: position, decay: false }]
      : []),
    ...(preNorm ? normSpecs("image.pre_norm", width) : []),
    ...blockSpecs("image", config),
    ...normSpecs("image.norm", width),
    ...poolSpecs(config, tokens, embedding),
  ];
}

function poolSpecs(config: VisionConfig, tokens: number, embedding: number): ParameterSpec[] {
  switch (config.pool) {
    case "map":
      return mapHeadSpecs(config);
    case "flatten":
      return linearSpecs("image.pool", tokens * config.width, embedding);
    case "class":
      return linearSpecs("image.head", config.width, embedding).slice(0, 1); // the weight alone
  }
}

function mapHeadSpecs({ width, hidden }: VisionConfig): ParameterSpec[] {
  const square = { kind: "xavier", fanIn: width, fanOut: width } as const;
  return [
    {
      name: "image.pool.probe",
      shape: [1, width],
      initializer: { kind: "xavier", fanIn: 1, fanOut: width },
      decay: false,
    },
    ...linearSpecs("image.pool.q", width, width),
    ...linearSpecs("image.pool.kv", width, 2 * width, square),
    ...linearSpecs("image.pool.out", width, width),
    ...normSpecs("image.pool.norm", width),
    ...mlpSpecs("image.pool.mlp", width, hidden),
  ];
}

/**
 * Pictures to embeddings, not yet of unit length.
 *
 * @param pixels [B, I·I·3/4] u32: RGB bytes, four to a word
 * @returns [B, E]
 */
export function visionTower(
  graph: Graph,
  parameters: ParameterTensors,
  config: VisionConfig,
  pixels: Tensor,
  { patchSize, dropping }: Resolution,
): Tensor {
  const { imageSize, pool, heads, epsilon, preNorm = false } = config;
  const examples = pixels.shape[0];
  const patches = embedPatches(
    graph,
    pixels,
    {
      kernel: parameters.get("image.patch.kernel"),
      bias: preNorm ? null : parameters.get("image.patch.bias"),
      position: parameters.get("image.position"),
    },
    imageSize,
    patchSize,
    preprocessingOf(config),
  );
  const chosen = dropping && choosePatches(graph, examples, (imageSize / patchSize) ** 2, dropping);
  const seen = chosen ? keepPatches(graph, patches, chosen) : patches;
  const classed = pool === "class"
    ? prependToken(graph, seen, parameters.get("image.class"), examples)
    : seen;
  const input = preNorm
    ? normLayer(graph, parameters, "image.pre_norm", classed, { epsilon, dtype: "f32" })
    : classed;
  const output = transformer(graph, parameters, "image", config, input, examples, "all");
  if (pool === "class") {
    // The norm works row by row, so only the class token's needs it.
    const first = firstTokens(graph, output, output.shape[0] / examples);
    const normal = normLayer(graph, parameters, "image.norm", first, { epsilon });
    return linearLayer(graph, parameters, "image.head", normal);
  }
  const tokens = normLayer(graph, parameters, "image.norm", output, { epsilon });
  if (pool === "flatten") {
    const placed = chosen ? restorePatches(graph, tokens, chosen) : tokens;
    const all = graph.reshape(placed, examples, placed.size / examples);
    const weight = resizeTokenWeight(
      graph,
      parameters.get("image.pool.weight"),
      imageSize / config.patchSize,
      imageSize / patchSize,
    );
    return linear(graph, all, weight, parameters.get("image.pool.bias"));
  }
  // SigLIP's attention-pooling head: one learned query, then a residual MLP.
  const query = linearLayer(graph, parameters, "image.pool.q", parameters.get("image.pool.probe"), {
    dtype: graph.activations,
  });
  const keysAndValues = linearLayer(graph, parameters, "image.pool.kv", tokens, {
    dtype: graph.activations,
  });
  const pooled = pooledAttention(graph, query, keysAndValues, { examples, heads });
  const projected = linearLayer(graph, parameters, "image.pool.out", pooled);
  const names = { norm: "image.pool.norm", mlp: "image.pool.mlp" };
  return residualMlp(graph, parameters, names, config, projected);
}
