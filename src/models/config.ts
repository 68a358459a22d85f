/**
 * What a dual encoder looks like, and the sizes that have names.
 *
 * @module
 */

import { type Preprocessing, sigLipPreprocessing } from "../data/images/preprocessing.ts";
import type { Activation } from "../ops/matmul.ts";

export type { Activation, Preprocessing };

/** A stack of transformer blocks. */
export interface TowerConfig {
  /** Columns of the residual stream, D. */
  readonly width: number;
  /** Blocks. */
  readonly depth: number;
  /** Attention heads; must divide the width into multiples of 4. */
  readonly heads: number;
  /** Columns of the hidden layer of every block. */
  readonly hidden: number;
  /** Which form of GELU; `gelu-tanh` when left out. */
  readonly activation?: Activation;
  /** Added to the variance in layer norms; 1e-6 when left out. */
  readonly epsilon?: number;
}

/** The image tower. */
export interface VisionConfig extends TowerConfig {
  /** Side of a picture in pixels. */
  readonly imageSize: number;
  /** Side of the patches that the stored kernel is for, in pixels; other sizes are resized from it. */
  readonly patchSize: number;
  /**
   * How tokens become one embedding: `map`, SigLIP's attention-pooling head, or `flatten`, one linear layer over all
   * tokens, which learns faster when there are few; or `class`, a learned token before the patches whose output goes
   * through one linear layer without bias (ViT, CLIP).
   */
  readonly pool: "map" | "flatten" | "class";
  /** Whether tokens are normalised before the first block, and patches are embedded without bias, as CLIP does. */
  readonly preNorm?: boolean;
  /** How pictures become what the tower looks at; SigLIP's way when left out. */
  readonly preprocessing?: Omit<Preprocessing, "imageSize">;
}

/** The text tower. */
export interface TextConfig extends TowerConfig {
  /** Tokens of a caption, T. */
  readonly tokens: number;
  /** Size of the vocabulary, V. */
  readonly vocabulary: number;
  /** Standard deviation with which token and position embeddings start. */
  readonly initialDeviation: number;
  /** Whether tokens attend only to those before them, as in CLIP; false when left out. */
  readonly causal?: boolean;
  /**
   * Id of the token whose output is the caption's, where it first occurs; `highest`: that of the highest id in the caption,
   * as CLIP's first models have it. The last token's when left out, as in SigLIP.
   */
  readonly endToken?: number | "highest";
  /** Whether the linear layer to the embedding has a bias; true when left out. CLIP's has none. */
  readonly headBias?: boolean;
}

/** A whole dual encoder. */
export interface DualEncoderConfig {
  /** The image tower. */
  readonly vision: VisionConfig;
  /** The text tower. */
  readonly text: TextConfig;
  /** Columns of the embeddings; with the `map` head, the width of the image tower. */
  readonly embedding: number;
  /** Initial t; logits are scaled by exp(t). */
  readonly initialScale: number;
  /** Initial β. */
  readonly initialBias: number;
}

/** Names of the presets. */
export type PresetName = "mini" | "midi" | "Ti/16" | "S/16" | "B/32" | "B/16" | "L/16";

/** All presets, smallest first. */
export const presetNames: readonly PresetName[] = ["mini", "midi", "Ti/16", "S/16", "B/32", "B/16", "L/16"];

/** How pictures become what a model looks at. */
export function preprocessingOf({ imageSize, preprocessing }: VisionConfig): Preprocessing {
  return { ...sigLipPreprocessing(imageSize), ...preprocessing };
}

/** SigLIP's start of scale and bias (arXiv:2303.15343): α = 10, β = −10. */
const sigLipStart = { initialScale: Math.log(10), initialBias: -10 };

function sigLip(width: number, depth: number, heads: number, patchSize: number): DualEncoderConfig {
  const tower = { width, depth, heads, hidden: 4 * width };
  return {
    vision: { ...tower, imageSize: 256, patchSize, pool: "map" },
    text: { ...tower, tokens: 64, vocabulary: 32_000, initialDeviation: 1 / Math.sqrt(width) },
    embedding: width,
    ...sigLipStart,
  };
}

/** For pictures of 32² pixels and captions of a few words: one wide block, a bias that starts at −ln b for b = 64. */
function icons(width: number): DualEncoderConfig {
  const tower = { width, depth: 1, heads: width / 16, hidden: 4 * width };
  return {
    vision: { ...tower, imageSize: 32, patchSize: 16, pool: "flatten" },
    // Small embeddings let the few updates that a rare token gets count.
    text: { ...tower, tokens: 12, vocabulary: 2048, initialDeviation: 0.02 },
    embedding: width,
    initialScale: Math.log(10),
    initialBias: -Math.log(64),
  };
}

/**
 * A preset's configuration. `mini` and `midi`, of twice its width, are the default experiment's: small pictures, one wide
 * block, tokens flattened. The others are SigLIP's architecture at 256² pixels and 64 tokens.
 *
 * @throws RangeError when there is no such preset
 *
 * @example
 * ```ts
 * import { preset } from "@superbatch/superbatch";
 * const config = preset("B/16");
 * console.log(config.vision.width); // 768
 * ```
 */
export function preset(name: PresetName): DualEncoderConfig {
  switch (name) {
    case "mini":
      return icons(64);
    case "midi":
      return icons(128);
    case "Ti/16":
      return sigLip(192, 12, 3, 16);
    case "S/16":
      return sigLip(384, 12, 6, 16);
    case "B/32":
      return sigLip(768, 12, 12, 32);
    case "B/16":
      return sigLip(768, 12, 12, 16);
    case "L/16":
      return sigLip(1024, 24, 16, 16);
    default:
      throw new RangeError(`There is no preset "${name}": choose one of ${presetNames.join(", ")}`);
  }
}
