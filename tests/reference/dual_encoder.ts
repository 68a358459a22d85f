/**
 * The whole dual encoder in float64, from pictures and tokens to the loss and every gradient.
 *
 * B pairs, N patches, T tokens, D width (both towers), E width of the embeddings.
 */

import { block, blockBackward, type TowerSize } from "./block.ts";
import { sigmoidLoss, softmaxLoss } from "./contrastive_loss.ts";
import { l2Normalize, l2NormalizeBackward } from "./l2_normalize.ts";
import { lastToken, lastTokenBackward } from "./last_token.ts";
import { layerNorm, layerNormBackward } from "./layer_norm.ts";
import { linear, linearBackward } from "./linear.ts";
import { mapHead, mapHeadBackward } from "./map_head.ts";
import { addGradients, type Parameters } from "./parameters.ts";
import { embedPatches, embedPatchesBackward } from "./patch_embedding.ts";
import { embedTokens, embedTokensBackward } from "./token_embedding.ts";

/** The configuration that a fixture carries. */
export interface DualEncoderSize {
  readonly batch: number;
  readonly image: number;
  readonly patch: number;
  readonly tokens: number;
  readonly vocabulary: number;
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly embedding: number;
  readonly pool: "map" | "flatten";
  readonly loss: "sigmoid" | "softmax";
}

/** What a batch gives. */
export interface DualEncoderResult {
  /** [B, E] unit rows */
  readonly image: Float64Array;
  /** [B, E] unit rows */
  readonly text: Float64Array;
  readonly loss: number;
  readonly gradients: Parameters;
}

/** Embeddings, loss and gradients of one batch: pixels u8 [B, I, I, 3], tokens [B, T]. */
export function dualEncoder(
  parameters: Parameters,
  pixels: ArrayLike<number>,
  tokens: ArrayLike<number>,
  size: DualEncoderSize,
): DualEncoderResult {
  const { batch, width, embedding } = size, gradients: Parameters = {};
  const tower = { examples: batch, width, heads: size.heads };
  const imageTower = { ...tower, tokens: (size.image / size.patch) ** 2 };
  const textTower = { ...tower, tokens: size.tokens };
  const patch = {
    kernel: parameters["image.patch.kernel"],
    bias: parameters["image.patch.bias"],
    position: parameters["image.position"],
  };
  const stem = {
    image: embedPatches(pixels, patch, size.image, size.patch),
    text: embedTokens(tokens, parameters["text.token"], parameters["text.position"], width),
  };
  const encoded = {
    image: encode(parameters, "image", stem.image, size.depth, imageTower),
    text: encode(parameters, "text", stem.text, size.depth, textTower),
  };
  const last = lastToken(encoded.text.y, size.tokens, width);
  const pooled = {
    image: size.pool === "map"
      ? mapHead(parameters, "image.pool", encoded.image.y, imageTower)
      : linear(encoded.image.y, parameters["image.pool.weight"], parameters["image.pool.bias"]),
    text: linear(last, parameters["text.head.weight"], parameters["text.head.bias"]),
  };
  const image = l2Normalize(pooled.image, embedding), text = l2Normalize(pooled.text, embedding);
  const pairing = { image, text, logitScale: parameters["logit_scale"], logitBias: parameters["logit_bias"] };
  const loss = (size.loss === "sigmoid" ? sigmoidLoss : softmaxLoss)(pairing, batch);
  addGradients(gradients, { logit_scale: loss.dlogitScale, logit_bias: loss.dlogitBias });

  const dimage = l2NormalizeBackward(pooled.image, loss.dimage, embedding);
  const dtext = l2NormalizeBackward(pooled.text, loss.dtext, embedding);
  let dencoded: Float64Array;
  if (size.pool === "map") {
    dencoded = mapHeadBackward(parameters, "image.pool", encoded.image.y, dimage, imageTower, gradients);
  } else {
    const { dx, dweight, dbias } = linearBackward(encoded.image.y, parameters["image.pool.weight"], dimage);
    addGradients(gradients, { "image.pool.weight": dweight, "image.pool.bias": dbias });
    dencoded = dx;
  }
  const head = linearBackward(last, parameters["text.head.weight"], dtext);
  addGradients(gradients, { "text.head.weight": head.dweight, "text.head.bias": head.dbias });
  const dstem = {
    image: encodeBackward(parameters, "image", encoded.image.inputs, dencoded, imageTower, gradients),
    text: encodeBackward(
      parameters,
      "text",
      encoded.text.inputs,
      lastTokenBackward(head.dx, size.tokens, width),
      textTower,
      gradients,
    ),
  };
  const patches = embedPatchesBackward(pixels, patch, dstem.image, size.image, size.patch);
  const words = embedTokensBackward(tokens, dstem.text, size);
  addGradients(gradients, {
    "image.patch.kernel": patches.dkernel,
    "image.patch.bias": patches.dbias,
    "image.position": patches.dposition,
    "text.token": words.dtable,
    "text.position": words.dposition,
  });
  return { image, text, loss: loss.loss, gradients };
}

/** Blocks and the last norm; `inputs` are what each block and the norm were given. */
function encode(
  parameters: Parameters,
  name: string,
  x: Float64Array,
  depth: number,
  size: TowerSize,
): { y: Float64Array; inputs: Float64Array[] } {
  const inputs = [x];
  for (let i = 0; i < depth; i++) inputs.push(block(parameters, `${name}.block.${i}`, inputs[i], size));
  const { y } = layerNorm(inputs[depth], parameters[`${name}.norm.weight`], parameters[`${name}.norm.bias`]);
  return { y, inputs };
}

function encodeBackward(
  parameters: Parameters,
  name: string,
  inputs: readonly Float64Array[],
  dy: Float64Array,
  size: TowerSize,
  gradients: Parameters,
): Float64Array {
  const depth = inputs.length - 1;
  const norm = layerNormBackward(inputs[depth], parameters[`${name}.norm.weight`], dy);
  addGradients(gradients, { [`${name}.norm.weight`]: norm.dweight, [`${name}.norm.bias`]: norm.dbias });
  let dx = norm.dx;
  for (let i = depth - 1; i >= 0; i--) {
    dx = blockBackward(parameters, `${name}.block.${i}`, inputs[i], dx, size, gradients);
  }
  return dx;
}
