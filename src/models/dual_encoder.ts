/**
 * The dual encoder: two towers into one space of unit vectors, and the scale and bias of their dot products.
 *
 * SigLIP (Zhai et al., arXiv:2303.15343) as in big_vision's `two_towers.py`.
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Pairing } from "../losses/contrastive.ts";
import type { TokenIndex } from "../ops/embedding.ts";
import { l2Normalize } from "../ops/l2_normalize.ts";
import type { DualEncoderConfig, TowerConfig } from "./config.ts";
import type { ParameterSpec, ParameterTensors } from "./parameters.ts";
import { textSpecs, textTower } from "./text.ts";
import { type Resolution, visionSpecs, visionTower } from "./vision.ts";

/**
 * The parameters of a dual encoder, in a fixed order.
 *
 * @throws RangeError when the configuration does not fit together
 */
export function dualEncoderSpecs(config: DualEncoderConfig): ParameterSpec[] {
  checkConfig(config);
  const { vision, text, embedding, initialScale, initialBias } = config;
  return [
    ...visionSpecs(vision, embedding),
    ...textSpecs(text, embedding),
    { name: "logit_scale", shape: [1], initializer: { kind: "constant", value: initialScale }, decay: false },
    { name: "logit_bias", shape: [1], initializer: { kind: "constant", value: initialBias }, decay: false },
  ];
}

function checkConfig({ vision, text, embedding }: DualEncoderConfig): void {
  const checkTower = (name: string, { width, heads }: TowerConfig) => {
    if (width % heads !== 0 || width / heads % 4 !== 0) {
      throw new RangeError(
        `The ${name} tower's width of ${width} cannot be split into ${heads} heads: choose heads that leave each a ` +
          `multiple of 4 columns`,
      );
    }
  };
  checkTower("image", vision);
  checkTower("text", text);
  if (vision.imageSize % vision.patchSize !== 0 || vision.imageSize % 2 !== 0) {
    throw new RangeError(
      `Pictures of ${vision.imageSize} pixels cannot be cut into patches of ${vision.patchSize}: choose an even side ` +
        `and a divisor of it`,
    );
  }
  if (vision.pool === "map" && embedding !== vision.width) {
    throw new RangeError(
      `With the "map" head the embedding is the image tower's width, ${vision.width}, not ${embedding}`,
    );
  }
  if (embedding % 4 !== 0) {
    throw new RangeError(`The embedding's width must be a multiple of 4, not ${embedding}`);
  }
}

/**
 * Elements of the largest activation that one pair has on its way through the towers: what bounds how many pairs an
 * adapter can embed at a time.
 */
export function widestActivation({ vision, text }: DualEncoderConfig, patchSize: number): number {
  const imageTokens = (vision.imageSize / patchSize) ** 2 + (vision.pool === "class" ? 1 : 0);
  return Math.max(
    imageTokens * Math.max(vision.hidden, 3 * vision.width, 3 * patchSize ** 2),
    text.tokens * Math.max(text.hidden, 3 * text.width),
  );
}

/** What a batch of pairs looks like on the GPU. */
export interface BatchTensors {
  /** [B, I·I·3/4] u32: RGB bytes, four to a word. */
  readonly pixels: Tensor;
  /** [B, T] u32. */
  readonly tokens: Tensor;
}

/**
 * Embeds a batch of pairs.
 *
 * @param index where the tokens occur, for the gradient of the table; null in a forward pass
 * @returns unit embeddings [B, E], and the scale and bias that go with them
 */
export function embedPairs(
  graph: Graph,
  parameters: ParameterTensors,
  config: DualEncoderConfig,
  batch: BatchTensors,
  resolution: Resolution,
  index: TokenIndex | null,
): Pairing {
  return {
    image: imageEmbeddings(graph, parameters, config, batch.pixels, resolution),
    text: textEmbeddings(graph, parameters, config, batch.tokens, index),
    logitScale: parameters.get("logit_scale"),
    logitBias: parameters.get("logit_bias"),
  };
}

/** Unit embeddings [B, E] of pictures; see {@link embedPairs}. */
export function imageEmbeddings(
  graph: Graph,
  parameters: ParameterTensors,
  config: DualEncoderConfig,
  pixels: Tensor,
  resolution: Resolution,
): Tensor {
  return l2Normalize(graph, visionTower(graph, parameters, config.vision, pixels, resolution));
}

/** Unit embeddings [B, E] of captions; see {@link embedPairs}. */
export function textEmbeddings(
  graph: Graph,
  parameters: ParameterTensors,
  config: DualEncoderConfig,
  tokens: Tensor,
  index: TokenIndex | null,
): Tensor {
  return l2Normalize(graph, textTower(graph, parameters, config.text, tokens, index));
}
