import { normal, Stream } from "../../src/random/philox.ts";

/** Random unit rows [n, width]; each seed its own. */
export function unitRows(seed: number, n: number, width: number): Float32Array<ArrayBuffer> {
  const rows = Float32Array.from({ length: n * width }, (_, index) => normal(seed, Stream.init, 0, index));
  for (let row = 0; row < n; row++) {
    const one = rows.subarray(row * width, (row + 1) * width);
    const norm = Math.hypot(...one);
    one.forEach((value, d) => one[d] = value / norm);
  }
  return rows;
}

/** The rows of a matrix in another order. */
export function reorder(
  rows: Float32Array,
  width: number,
  order: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(rows.length);
  Array.from(order).forEach((from, to) =>
    out.set(rows.subarray(from * width, (from + 1) * width), to * width)
  );
  return out;
}
