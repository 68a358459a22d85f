/** Matrix products in float64: C [m, n] = A·B (NN), A·Bᵀ (NT) or Aᵀ·B (TN). */

/** Which operand is stored transposed. */
export type Form = "NN" | "NT" | "TN";

/** C is [m, n], the inner size is k. */
export interface ProductSize {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Where A(i, l) and B(l, j) lie. */
function addresses(form: Form, { m, n, k }: ProductSize) {
  return {
    a: (i: number, l: number) => form === "TN" ? l * m + i : i * k + l,
    b: (l: number, j: number) => form === "NT" ? j * k + l : l * n + j,
  };
}

/** The product; A [m, k] ([k, m] for TN), B [k, n] ([n, k] for NT). */
export function matmul(
  form: Form,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  size: ProductSize,
): Float64Array {
  const { m, n, k } = size, at = addresses(form, size);
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[at.a(i, l)] * b[at.b(l, j)];
      c[i * n + j] = sum;
    }
  }
  return c;
}

/** dA and dB, laid out as A and B, from dC [m, n]. */
export function matmulBackward(
  form: Form,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  dc: ArrayLike<number>,
  size: ProductSize,
): { da: Float64Array; db: Float64Array } {
  const { m, n, k } = size, at = addresses(form, size);
  const da = new Float64Array(m * k), db = new Float64Array(k * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let l = 0; l < k; l++) {
        da[at.a(i, l)] += dc[i * n + j] * b[at.b(l, j)];
        db[at.b(l, j)] += dc[i * n + j] * a[at.a(i, l)];
      }
    }
  }
  return { da, db };
}
