/**
 * What every library is given to do: the same shapes, numbers and starting parameters.
 *
 * @module
 */

import { type DualEncoderConfig, preset } from "../../src/models/config.ts";

/** One thing to measure; plain data, because it travels to other processes. */
export type Work =
  /** C = A·B with C [m, n], either factor stored transposed. */
  | {
    readonly kind: "product";
    readonly m: number;
    readonly n: number;
    readonly k: number;
    readonly transposeA: boolean;
    readonly transposeB: boolean;
  }
  /** Layer norm with weight and bias, forward. */
  | {
    readonly kind: "layer norm";
    readonly rows: number;
    readonly width: number;
  }
  /** Softmax attention from a packed [examples·tokens, 3·heads·headWidth] q, k, v, forward. */
  | {
    readonly kind: "attention";
    readonly examples: number;
    readonly tokens: number;
    readonly heads: number;
    readonly headWidth: number;
  }
  /** A whole training step: forward, backward, clip, AdamW. */
  | {
    readonly kind: "step";
    readonly config: DualEncoderConfig;
    readonly batch: number;
    readonly file: string;
  };

/** A work with its name in the table. */
export interface NamedWork {
  readonly name: string;
  readonly work: Work;
}

/** AdamW as all libraries run it: superbatch's defaults, at a constant rate. */
export const optimizer = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 1e-4,
  clipNorm: 1,
} as const;

/** Steps whose losses are compared before anything is timed. */
export const CHECKED_STEPS = 11;

/** Epsilon of every layer norm. */
export const NORM_EPSILON = 1e-6;

/** Weight decay acts on the kernels of linear layers only. */
export function isDecayed(name: string): boolean {
  return name === "image.patch.kernel" ||
    (name.endsWith(".weight") && !name.includes("norm"));
}

/** The shape with more work in a dispatch: what a library loses to fixed costs in `mini` weighs less here. */
export function largerConfig(): DualEncoderConfig {
  const tower = { width: 192, depth: 2, heads: 3, hidden: 768 };
  return {
    vision: { ...tower, imageSize: 64, patchSize: 8, pool: "flatten" },
    text: { ...tower, tokens: 16, vocabulary: 2048, initialDeviation: 0.02 },
    embedding: 192,
    initialScale: Math.log(10),
    initialBias: -Math.log(32),
  };
}

/** Products, layer norm and attention, without files. */
export function kernelWorks(): NamedWork[] {
  const { text, vision } = preset("mini"),
    rows = 64 * text.tokens,
    { width, hidden } = text;
  const patches = 64 * (vision.imageSize / vision.patchSize) ** 2,
    patch = 3 * vision.patchSize ** 2;
  const product = (
    name: string,
    m: number,
    n: number,
    k: number,
    form: "NN" | "NT" | "TN",
  ): NamedWork => ({
    name: `${name}, [${m}, ${k}]·[${k}, ${n}] ${form}`,
    work: {
      kind: "product",
      m,
      n,
      k,
      transposeA: form === "TN",
      transposeB: form === "NT",
    },
  });
  return [
    product("512³", 512, 512, 512, "NN"),
    product("512³", 512, 512, 512, "NT"),
    product("512³", 512, 512, 512, "TN"),
    product("mini patches", patches, width, patch, "NN"),
    product("mini qkv", rows, 3 * width, width, "NN"),
    product("mini mlp.in", rows, hidden, width, "NN"),
    product("mini mlp.out", rows, width, hidden, "NN"),
    product("mini mlp.in, d input", rows, width, hidden, "NT"),
    product("mini mlp.in, d weight", width, hidden, rows, "TN"),
    product("mini mlp.out, d weight", hidden, width, rows, "TN"),
    {
      name: "layer norm [3136, 192]",
      work: { kind: "layer norm", rows: 3136, width: 192 },
    },
    {
      name: "attention 64 × 49 tokens, 3 heads of 64",
      work: {
        kind: "attention",
        examples: 64,
        tokens: 49,
        heads: 3,
        headWidth: 64,
      },
    },
  ];
}

/** Floating-point operations of a product or an attention; null where the table gives times only. */
export function flops(work: Work): number | null {
  switch (work.kind) {
    case "product":
      return 2 * work.m * work.n * work.k;
    case "attention":
      return 4 * work.examples * work.tokens ** 2 * work.heads * work.headWidth;
    default:
      return null;
  }
}

/** Numbers in (−0.5, 0.5) that look random and are the same everywhere; `salt` tells the operands apart. */
export function operand(size: number, salt: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: size },
    (_, i) => ((i * 7919 + salt * 104729) % 1009) / 1009 - 0.5,
  );
}

/** Two numbers that stand for a whole result: its projection on a fixed vector, and its norm. */
export interface Digest {
  readonly projection: number;
  readonly norm: number;
}

/** Sums up a result, so that it can be compared across processes. */
export function digest(y: Float32Array): Digest {
  let projection = 0, squares = 0;
  y.forEach((value, i) => {
    projection += value * ((i * 31 + 7) % 17 / 8 - 1);
    squares += value * value;
  });
  return { projection, norm: Math.sqrt(squares) };
}
