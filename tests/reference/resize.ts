/**
 * FlexiViT's resizes in float64 (arXiv:2212.08013), each by one matrix [to, from] along both sides of a square.
 *
 * - patch kernel: p = pinv(rᵀ), r the bilinear resize of pixels as `tf.image.resize` does it (half-pixel centres, edges
 *   repeated, no antialiasing). The two-dimensional pinv(Rᵀ) of R = r ⊗ r is p ⊗ p.
 * - position grid: linear as `jax.image.resize` does it: the triangle widens when shrinking, weights sum to 1.
 */

/** A row-major matrix. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

function matrix(rows: number, columns: number, value: (row: number, column: number) => number): Matrix {
  const data = Float64Array.from(
    { length: rows * columns },
    (_, at) => value(Math.floor(at / columns), at % columns),
  );
  return { rows, columns, data };
}

/** Bᵀ. */
export function transpose({ rows, columns, data }: Matrix): Matrix {
  return matrix(columns, rows, (row, column) => data[column * columns + row]);
}

function multiply(a: Matrix, b: Matrix): Matrix {
  return matrix(a.rows, b.columns, (row, column) => {
    let sum = 0;
    for (let k = 0; k < a.columns; k++) sum += a.data[row * a.columns + k] * b.data[k * b.columns + column];
    return sum;
  });
}

/** r [to, from]: bilinear interpolation of pixels along one side. */
export function bilinear(from: number, to: number): Matrix {
  const inside = (index: number) => Math.min(Math.max(index, 0), from - 1);
  return matrix(to, from, (row, column) => {
    const place = (row + 0.5) * from / to - 0.5, low = Math.floor(place), share = place - low;
    return Number(inside(low) === column) * (1 - share) + Number(inside(low + 1) === column) * share;
  });
}

/** [to, from]: linear resize of the position grid along one side. */
export function gridResize(from: number, to: number): Matrix {
  const reach = Math.max(1, from / to);
  const weight = (row: number, column: number) =>
    Math.max(0, 1 - Math.abs((row + 0.5) * from / to - 0.5 - column) / reach);
  return matrix(to, from, (row, column) => {
    let sum = 0;
    for (let c = 0; c < from; c++) sum += weight(row, c);
    return weight(row, column) / sum;
  });
}

/** p = pinv(rᵀ) [to, from], which resizes a patch kernel along one side. */
export function kernelResize(from: number, to: number): Matrix {
  return pseudoInverse(transpose(bilinear(from, to)));
}

/** Moore–Penrose inverse by the Newton–Schulz iteration X ← X (2 − A X), which keeps to the row and column spaces. */
export function pseudoInverse(a: Matrix): Matrix {
  const largest = a.data.reduce((sum, value) => sum + value * value, 0); // ≥ ‖A‖²
  let x = transpose({ ...a, data: a.data.map((value) => value / largest) });
  for (let iteration = 0; iteration < 60; iteration++) {
    const xax = multiply(multiply(x, a), x);
    x = { ...x, data: x.data.map((value, at) => 2 * value - xax.data[at]) };
  }
  return x;
}

/** Applies a matrix [to, from] along both sides of x [from, from, inner]; gives [to, to, inner]. */
export function resizeSquare(
  { rows: to, columns: from, data: m }: Matrix,
  x: ArrayLike<number>,
): Float64Array {
  const inner = x.length / (from * from), out = new Float64Array(to * to * inner);
  for (let i = 0; i < to; i++) {
    for (let j = 0; j < to; j++) {
      for (let s = 0; s < from; s++) {
        for (let t = 0; t < from; t++) {
          const weight = m[i * from + s] * m[j * from + t];
          for (let c = 0; c < inner; c++) {
            out[(i * to + j) * inner + c] += weight * x[(s * from + t) * inner + c];
          }
        }
      }
    }
  }
  return out;
}

/** dx [from, from, inner] from dy [to, to, inner]: the same along the transpose. */
export function resizeSquareBackward(m: Matrix, dy: ArrayLike<number>): Float64Array {
  return resizeSquare(transpose(m), dy);
}
