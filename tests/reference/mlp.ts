/** The two-layer perceptron of a block in float64: gelu(x · in) · out. */

import type { Activation } from "../../src/ops/matmul.ts";
import { gelu, geluBackward } from "./gelu.ts";
import { linear, linearBackward } from "./linear.ts";
import { addGradients, type Parameters } from "./parameters.ts";

/** y [rows, D] from x [rows, D]; parameters `{prefix}.in` and `{prefix}.out`. */
export function mlp(
  parameters: Parameters,
  prefix: string,
  x: Float64Array,
  form?: Activation,
): Float64Array {
  const hidden = linear(x, parameters[`${prefix}.in.weight`], parameters[`${prefix}.in.bias`]);
  return linear(gelu(hidden, form), parameters[`${prefix}.out.weight`], parameters[`${prefix}.out.bias`]);
}

/** dx from dy; the parameters' gradients are added to `gradients`. */
export function mlpBackward(
  parameters: Parameters,
  prefix: string,
  x: Float64Array,
  dy: Float64Array,
  gradients: Parameters,
  form?: Activation,
): Float64Array {
  const hidden = linear(x, parameters[`${prefix}.in.weight`], parameters[`${prefix}.in.bias`]);
  const second = linearBackward(gelu(hidden, form), parameters[`${prefix}.out.weight`], dy);
  const first = linearBackward(x, parameters[`${prefix}.in.weight`], geluBackward(hidden, second.dx, form));
  addGradients(gradients, {
    [`${prefix}.in.weight`]: first.dweight,
    [`${prefix}.in.bias`]: first.dbias,
    [`${prefix}.out.weight`]: second.dweight,
    [`${prefix}.out.bias`]: second.dbias,
  });
  return first.dx;
}
