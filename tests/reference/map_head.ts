/**
 * SigLIP's attention-pooling head in float64: y = attention(probe; x), then y + mlp(norm(y)).
 *
 * B examples, N tokens, D width. Source: arXiv:2106.04560, big_vision `models/vit.py` `MAPHead`.
 */

import { attention, attentionBackward } from "./attention.ts";
import type { TowerSize } from "./block.ts";
import { layerNorm, layerNormBackward } from "./layer_norm.ts";
import { linear, linearBackward } from "./linear.ts";
import { mlp, mlpBackward } from "./mlp.ts";
import { add, addGradients, columns, type Parameters, sideBySide } from "./parameters.ts";

/** All that backward needs of a forward pass. */
function forward(
  parameters: Parameters,
  prefix: string,
  x: Float64Array,
  { examples, tokens, width, heads }: TowerSize,
) {
  const p = (name: string) => parameters[`${prefix}.${name}`];
  const size = { examples, queries: 1, keys: tokens, heads, width, sharedQueries: true };
  const q = linear(p("probe"), p("q.weight"), p("q.bias"));
  const kv = linear(x, p("kv.weight"), p("kv.bias"));
  const k = columns(kv, 2 * width, 0, width), v = columns(kv, 2 * width, width, 2 * width);
  const mixed = attention({ q, k, v }, size).out;
  const pooled = linear(mixed, p("out.weight"), p("out.bias"));
  const normed = layerNorm(pooled, p("norm.weight"), p("norm.bias")).y;
  return { size, q, k, v, mixed, pooled, normed };
}

/** y [B, D] from x [B·N, D]. */
export function mapHead(
  parameters: Parameters,
  prefix: string,
  x: Float64Array,
  size: TowerSize,
): Float64Array {
  const { pooled, normed } = forward(parameters, prefix, x, size);
  return add(pooled, mlp(parameters, `${prefix}.mlp`, normed));
}

/** dx from dy; the parameters' gradients are added to `gradients`. */
export function mapHeadBackward(
  parameters: Parameters,
  prefix: string,
  x: Float64Array,
  dy: Float64Array,
  towerSize: TowerSize,
  gradients: Parameters,
): Float64Array {
  const p = (name: string) => parameters[`${prefix}.${name}`];
  const { size, q, k, v, mixed, pooled, normed } = forward(parameters, prefix, x, towerSize);
  const norm = layerNormBackward(
    pooled,
    p("norm.weight"),
    mlpBackward(parameters, `${prefix}.mlp`, normed, dy, gradients),
  );
  const out = linearBackward(mixed, p("out.weight"), add(dy, norm.dx));
  const { dq, dk, dv } = attentionBackward({ q, k, v }, out.dx, size);
  const query = linearBackward(p("probe"), p("q.weight"), dq);
  const kv = linearBackward(x, p("kv.weight"), sideBySide([dk, dv], size.width));
  addGradients(gradients, {
    [`${prefix}.probe`]: query.dx,
    [`${prefix}.q.weight`]: query.dweight,
    [`${prefix}.q.bias`]: query.dbias,
    [`${prefix}.kv.weight`]: kv.dweight,
    [`${prefix}.kv.bias`]: kv.dbias,
    [`${prefix}.out.weight`]: out.dweight,
    [`${prefix}.out.bias`]: out.dbias,
    [`${prefix}.norm.weight`]: norm.dweight,
    [`${prefix}.norm.bias`]: norm.dbias,
  });
  return kv.dx;
}
