/**
 * A pre-norm transformer block in float64: x + attention(norm1(x)), then x + mlp(norm2(x)).
 *
 * B examples, T tokens, D width, H heads.
 */

import { attention, attentionBackward } from "./attention.ts";
import { layerNorm, layerNormBackward } from "./layer_norm.ts";
import { linear, linearBackward } from "./linear.ts";
import { mlp, mlpBackward } from "./mlp.ts";
import { add, addGradients, columns, type Parameters, sideBySide } from "./parameters.ts";

/** Sizes of a tower. */
export interface TowerSize {
  readonly examples: number;
  readonly tokens: number;
  readonly width: number;
  readonly heads: number;
}

/** All that backward needs of a forward pass. */
function forward(
  parameters: Parameters,
  prefix: string,
  x: Float64Array,
  { examples, tokens, width, heads }: TowerSize,
) {
  const p = (name: string) => parameters[`${prefix}.${name}`];
  const size = { examples, queries: tokens, keys: tokens, heads, width };
  const normed = layerNorm(x, p("norm1.weight"), p("norm1.bias")).y;
  const qkv = linear(normed, p("attention.qkv.weight"), p("attention.qkv.bias"));
  const [q, k, v] = [0, 1, 2].map((part) => columns(qkv, 3 * width, part * width, (part + 1) * width));
  const mixed = attention({ q, k, v }, size).out;
  const middle = add(x, linear(mixed, p("attention.out.weight"), p("attention.out.bias")));
  const normed2 = layerNorm(middle, p("norm2.weight"), p("norm2.bias")).y;
  return { size, normed, q, k, v, mixed, middle, normed2 };
}

/** y [B·T, D] from x [B·T, D]. */
export function block(
  parameters: Parameters,
  prefix: string,
  x: Float64Array,
  size: TowerSize,
): Float64Array {
  const { middle, normed2 } = forward(parameters, prefix, x, size);
  return add(middle, mlp(parameters, `${prefix}.mlp`, normed2));
}

/** dx from dy; the parameters' gradients are added to `gradients`. */
export function blockBackward(
  parameters: Parameters,
  prefix: string,
  x: Float64Array,
  dy: Float64Array,
  towerSize: TowerSize,
  gradients: Parameters,
): Float64Array {
  const p = (name: string) => parameters[`${prefix}.${name}`];
  const { size, normed, q, k, v, mixed, middle, normed2 } = forward(parameters, prefix, x, towerSize);
  const dnormed2 = mlpBackward(parameters, `${prefix}.mlp`, normed2, dy, gradients);
  const norm2 = layerNormBackward(middle, p("norm2.weight"), dnormed2);
  const dmiddle = add(dy, norm2.dx);
  const out = linearBackward(mixed, p("attention.out.weight"), dmiddle);
  const { dq, dk, dv } = attentionBackward({ q, k, v }, out.dx, size);
  const qkv = linearBackward(normed, p("attention.qkv.weight"), sideBySide([dq, dk, dv], size.width));
  const norm1 = layerNormBackward(x, p("norm1.weight"), qkv.dx);
  addGradients(gradients, {
    [`${prefix}.norm1.weight`]: norm1.dweight,
    [`${prefix}.norm1.bias`]: norm1.dbias,
    [`${prefix}.attention.qkv.weight`]: qkv.dweight,
    [`${prefix}.attention.qkv.bias`]: qkv.dbias,
    [`${prefix}.attention.out.weight`]: out.dweight,
    [`${prefix}.attention.out.bias`]: out.dbias,
    [`${prefix}.norm2.weight`]: norm2.dweight,
    [`${prefix}.norm2.bias`]: norm2.dbias,
  });
  return add(dmiddle, norm1.dx);
}
