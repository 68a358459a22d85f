/** GELU by its tanh form in float64: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))). Source: arXiv:1606.08415. */

const SLOPE = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** y, element by element. */
export function gelu(x: ArrayLike<number>): Float64Array {
  return Float64Array.from(x, (v) => 0.5 * v * (1 + Math.tanh(SLOPE * (v + CUBIC * v ** 3))));
}

/** dx from dy. */
export function geluBackward(x: ArrayLike<number>, dy: ArrayLike<number>): Float64Array {
  return Float64Array.from(x, (v, i) => {
    const t = Math.tanh(SLOPE * (v + CUBIC * v ** 3));
    return dy[i] * (0.5 * (1 + t) + 0.5 * v * (1 - t * t) * SLOPE * (1 + 3 * CUBIC * v * v));
  });
}
