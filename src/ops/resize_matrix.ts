/**
 * The constant matrices that resize a stored patch kernel and a stored position grid (FlexiViT, arXiv:2212.08013).
 *
 * Both resizes are separable, so each is the Kronecker square of a one-dimensional matrix.
 *
 * @module
 */

/** A row-major matrix. */
export interface ResizeMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

type Matrix = readonly (readonly number[])[];

/**
 * Bilinear interpolation of a line of `from` samples at `to` places (half-pixel centres, edges repeated).
 *
 * @param antialias widen the triangle when shrinking, as `jax.image.resize` does
 */
function linearResize(from: number, to: number, antialias: boolean): number[][] {
  const scale = to / from, reach = antialias ? Math.max(1, 1 / scale) : 1;
  return Array.from({ length: to }, (_, target) => {
    const centre = (target + 0.5) / scale - 0.5;
    const row = new Array<number>(from).fill(0);
    if (antialias) {
      for (let source = 0; source < from; source++) {
        row[source] = Math.max(0, 1 - Math.abs(source - centre) / reach);
      }
      const sum = row.reduce((a, b) => a + b, 0);
      return row.map((weight) => weight / sum);
    }
    const low = Math.floor(centre), share = centre - low;
    row[Math.min(Math.max(low, 0), from - 1)] += 1 - share;
    row[Math.min(Math.max(low + 1, 0), from - 1)] += share;
    return row;
  });
}

/**
 * Resizes a patch kernel from `from`² to `to`² pixels: pinv(Rᵀ), R the bilinear resize of a patch.
 *
 * @returns [to², from²]
 */
export function kernelResize(from: number, to: number): ResizeMatrix {
  return kroneckerSquare(pseudoInverse(transposed(linearResize(from, to, false))));
}

/**
 * Resizes a position grid from `from`² to `to`² places, linearly, with antialiasing when it shrinks.
 *
 * @returns [to², from²]
 */
export function positionResize(from: number, to: number): ResizeMatrix {
  return kroneckerSquare(linearResize(from, to, true));
}

/** The transpose of a matrix. */
export function transpose({ rows, columns, data }: ResizeMatrix): ResizeMatrix {
  const turned = new Float32Array(data.length);
  data.forEach((value, at) => turned[at % columns * rows + Math.floor(at / columns)] = value);
  return { rows: columns, columns: rows, data: turned };
}

function transposed(a: Matrix): number[][] {
  return a[0].map((_, column) => a.map((row) => row[column]));
}

function multiply(a: Matrix, b: Matrix): number[][] {
  return a.map((row) =>
    b[0].map((_, column) => row.reduce((sum, value, k) => sum + value * b[k][column], 0))
  );
}

/** Moore–Penrose inverse of a matrix of full rank. */
function pseudoInverse(a: Matrix): number[][] {
  const adjoint = transposed(a);
  return a.length >= a[0].length
    ? multiply(inverse(multiply(adjoint, a)), adjoint) // tall: (AᵀA)⁻¹Aᵀ
    : multiply(adjoint, inverse(multiply(a, adjoint))); // wide: Aᵀ(AAᵀ)⁻¹
}

/** Gauss–Jordan elimination with partial pivoting. */
function inverse(a: Matrix): number[][] {
  const size = a.length;
  const work = a.map((row, i) => [...row, ...row.map((_, j) => i === j ? 1 : 0)]);
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++) {
      if (Math.abs(work[row][column]) > Math.abs(work[pivot][column])) pivot = row;
    }
    if (Math.abs(work[pivot][column]) < 1e-10) {
      throw new RangeError("Cannot invert a resize of deficient rank");
    }
    [work[column], work[pivot]] = [work[pivot], work[column]];
    const scale = work[column][column];
    work[column] = work[column].map((value) => value / scale);
    for (let row = 0; row < size; row++) {
      const factor = work[row][column];
      if (row !== column && factor !== 0) {
        work[row] = work[row].map((value, k) => value - factor * work[column][k]);
      }
    }
  }
  return work.map((row) => row.slice(size));
}

function kroneckerSquare(a: Matrix): ResizeMatrix {
  const rows = a.length ** 2, columns = a[0].length ** 2;
  const data = new Float32Array(rows * columns);
  let at = 0;
  for (const vertical of a) {
    for (const horizontal of a) {
      for (const v of vertical) for (const h of horizontal) data[at++] = v * h;
    }
  }
  return { rows, columns, data };
}
