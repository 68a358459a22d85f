/**
 * GELU in float64, x · gate(x), in its three forms (arXiv:1606.08415):
 * tanh ½ (1 + tanh(√(2/π) (x + 0.044715 x³))), exact Φ(x), and quick σ(1.702 x).
 */

import type { Activation } from "../../src/ops/matmul.ts";

const SLOPE = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;
const QUICK = 1.702;

/** The gate and its derivative. */
const gates: Record<Activation, (v: number) => readonly [gate: number, slope: number]> = {
  "gelu-tanh": (v) => {
    const t = Math.tanh(SLOPE * (v + CUBIC * v ** 3));
    return [0.5 * (1 + t), 0.5 * (1 - t * t) * SLOPE * (1 + 3 * CUBIC * v * v)];
  },
  "gelu": (v) => [normalShare(v), Math.exp(-v * v / 2) / Math.sqrt(2 * Math.PI)],
  "quick-gelu": (v) => {
    const share = 1 / (1 + Math.exp(-QUICK * v));
    return [share, QUICK * share * (1 - share)];
  },
};

/** Φ(v), by the series of the error function near 0 and its continued fraction far from it. */
export function normalShare(v: number): number {
  const z = Math.abs(v) / Math.SQRT2;
  if (z < 2.5) {
    let term = z, sum = z;
    for (let n = 1; n < 80; n++) {
      term *= -z * z / n;
      sum += term / (2 * n + 1);
    }
    const share = sum / Math.sqrt(Math.PI);
    return v < 0 ? 0.5 - share : 0.5 + share;
  }
  let fraction = 0;
  for (let n = 200; n > 0; n--) fraction = n / 2 / (z + fraction);
  const tail = Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction) / 2;
  return v < 0 ? tail : 1 - tail;
}

/** y, element by element. */
export function gelu(x: ArrayLike<number>, form: Activation = "gelu-tanh"): Float64Array {
  return Float64Array.from(x, (v) => v * gates[form](v)[0]);
}

/** dx from dy. */
export function geluBackward(
  x: ArrayLike<number>,
  dy: ArrayLike<number>,
  form: Activation = "gelu-tanh",
): Float64Array {
  return Float64Array.from(x, (v, i) => {
    const [gate, slope] = gates[form](v);
    return dy[i] * (gate + v * slope);
  });
}
