/** A linear layer in float64: y [rows, out] = x [rows, in] · W [in, out] + bias [out]. */

import { matmul, matmulBackward } from "./matmul.ts";

/** The layer; `rows` is told by x. */
export function linear(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
): Float64Array {
  const n = bias.length, k = weight.length / n, m = x.length / k;
  return matmul("NN", x, weight, { m, n, k }).map((value, at) => value + bias[at % n]);
}

/** dx, dweight and dbias from dy [rows, out]. */
export function linearBackward(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  dy: ArrayLike<number>,
): { dx: Float64Array; dweight: Float64Array; dbias: Float64Array } {
  // x [m, k], W [k, n], dy [m, n]: mn · nk / mk = n².
  const n = Math.round(Math.sqrt(dy.length * weight.length / x.length));
  const k = weight.length / n, m = x.length / k;
  const { da, db } = matmulBackward("NN", x, weight, dy, { m, n, k });
  const dbias = new Float64Array(n);
  for (let at = 0; at < dy.length; at++) dbias[at % n] += dy[at];
  return { dx: da, dweight: db, dbias };
}
