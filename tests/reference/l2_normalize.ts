/** Unit rows in float64: z = y / (‖y‖ + ε), ε = 1e-8 as in big_vision's two-tower model. */

const EPSILON = 1e-8;

function norms(y: ArrayLike<number>, width: number): Float64Array {
  return Float64Array.from({ length: y.length / width }, (_, row) => {
    let sum = 0;
    for (let d = 0; d < width; d++) sum += y[row * width + d] ** 2;
    return Math.sqrt(sum);
  });
}

/** z [rows, D] from y [rows, D]. */
export function l2Normalize(y: ArrayLike<number>, width: number): Float64Array {
  const norm = norms(y, width);
  return Float64Array.from(y, (value, at) => value / (norm[Math.floor(at / width)] + EPSILON));
}

/** dy from dz: with n = ‖y‖ and s = n + ε, dy = dz / s − y ⟨dz, y⟩ / (n s²). */
export function l2NormalizeBackward(
  y: ArrayLike<number>,
  dz: ArrayLike<number>,
  width: number,
): Float64Array {
  const dy = new Float64Array(y.length);
  norms(y, width).forEach((norm, row) => {
    const first = row * width, sum = norm + EPSILON;
    let product = 0;
    for (let d = 0; d < width; d++) product += dz[first + d] * y[first + d];
    for (let d = 0; d < width; d++) {
      dy[first + d] = dz[first + d] / sum - (norm > 0 ? y[first + d] * product / (norm * sum * sum) : 0);
    }
  });
  return dy;
}
