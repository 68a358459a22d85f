/**
 * The dual encoder (flattening head, sigmoid loss) over any library's operations: the peers share this one text, so
 * that they cannot differ in what they compute.
 *
 * @module
 */

import type { DualEncoderConfig, TowerConfig } from "../../src/models/config.ts";

/** What a library must offer; shapes are those of superbatch, examples and tokens flattened into rows. */
export interface Operations<T> {
  /** A·B, optionally with B transposed. */
  matmul(a: T, b: T, transposeB?: boolean): T;
  /** Sum, broadcasting. */
  add(a: T, b: T): T;
  /** Product, broadcasting. */
  mul(a: T, b: T): T;
  /** eˣ. */
  exp(x: T): T;
  reshape(x: T, shape: number[]): T;
  /** Over the last axis. */
  layerNorm(x: T, weight: T, bias: T): T;
  /** GELU, tanh approximation. */
  gelu(x: T): T;
  /** Softmax attention from packed [B·T, 3D] to [B·T, D]. */
  attention(qkv: T, examples: number, tokens: number, heads: number): T;
  /** [B·T, D] to [B, D]: the last token of every example. */
  lastTokens(x: T, examples: number, tokens: number): T;
  /** y / (‖y‖ + 1e-8) of every row. */
  normalizeRows(y: T): T;
  /** −(1/b) Σ log σ(sign · logit). */
  sigmoidLoss(logits: T, signs: T, batch: number): T;
}

/** Where parameters come from, by checkpoint name. */
export type Parameters<T> = (name: string) => T;

/** What a step is given. */
export interface Inputs<T> {
  /** [b·N, P·P·3] */
  readonly patches: T;
  /** [b·T, D]: rows of the token table. */
  readonly tokenRows: T;
  /** [b, b] */
  readonly signs: T;
}

/** The loss of one batch. */
export function dualEncoderLoss<T>(
  ops: Operations<T>,
  get: Parameters<T>,
  config: DualEncoderConfig,
  batch: number,
  { patches, tokenRows, signs }: Inputs<T>,
): T {
  const linear = (name: string, x: T) => ops.add(ops.matmul(x, get(`${name}.weight`)), get(`${name}.bias`));
  const norm = (name: string, x: T) => ops.layerNorm(x, get(`${name}.weight`), get(`${name}.bias`));
  const transformer = (
    tower: string,
    { depth, heads }: TowerConfig,
    tokens: number,
    x: T,
  ) => {
    for (let index = 0; index < depth; index++) {
      const name = `${tower}.block.${index}`;
      const qkv = linear(`${name}.attention.qkv`, norm(`${name}.norm1`, x));
      x = ops.add(
        x,
        linear(
          `${name}.attention.out`,
          ops.attention(qkv, batch, tokens, heads),
        ),
      );
      const hidden = ops.gelu(
        linear(`${name}.mlp.in`, norm(`${name}.norm2`, x)),
      );
      x = ops.add(x, linear(`${name}.mlp.out`, hidden));
    }
    return x;
  };
  // A position is added to the same token of every example.
  const positioned = (x: T, position: T, tokens: number, width: number) =>
    ops.reshape(ops.add(ops.reshape(x, [batch, tokens, width]), position), [
      batch * tokens,
      width,
    ]);

  const { vision, text, embedding } = config,
    patchCount = (vision.imageSize / vision.patchSize) ** 2;
  const embedded = ops.add(
    ops.matmul(patches, get("image.patch.kernel")),
    get("image.patch.bias"),
  );
  const seen = transformer(
    "image",
    vision,
    patchCount,
    positioned(embedded, get("image.position"), patchCount, vision.width),
  );
  const flat = ops.reshape(norm("image.norm", seen), [
    batch,
    patchCount * vision.width,
  ]);
  const image = ops.normalizeRows(linear("image.pool", flat));

  const read = transformer(
    "text",
    text,
    text.tokens,
    positioned(tokenRows, get("text.position"), text.tokens, text.width),
  );
  const last = norm("text.norm", ops.lastTokens(read, batch, text.tokens));
  const caption = ops.normalizeRows(linear("text.head", last));

  const scaled = ops.mul(
    ops.reshape(image, [batch, embedding]),
    ops.exp(get("logit_scale")),
  );
  const logits = ops.add(ops.matmul(scaled, caption, true), get("logit_bias"));
  return ops.sigmoidLoss(logits, signs, batch);
}
