/**
 * Inner products of embedding rows on the CPU, in tiles that stay in registers.
 *
 * @module
 */

const TILE = 4;

/**
 * Scores of some rows against all rows: out[i, j] = Σ_d a[start + i, d] · b[j, d].
 *
 * Every product is summed in double precision in the order of d, wherever its tile lies: equal rows give equal bits,
 * so that a tie is a tie.
 *
 * @param a [≥ start + count, width]
 * @param start first row of `a`
 * @param count rows of `a`
 * @param b [columns, width]
 * @param out [≥ count, columns], overwritten
 */
export function similarities(
  a: Float32Array,
  start: number,
  count: number,
  b: Float32Array,
  columns: number,
  width: number,
  out: Float64Array,
): void {
  for (let j = 0; j < columns; j += TILE) {
    // Past the edge the last row stands in; what it gives is not stored.
    const j0 = j * width;
    const j1 = Math.min(j + 1, columns - 1) * width;
    const j2 = Math.min(j + 2, columns - 1) * width;
    const j3 = Math.min(j + 3, columns - 1) * width;
    for (let i = 0; i < count; i += 2) {
      const i0 = (start + i) * width, i1 = (start + Math.min(i + 1, count - 1)) * width;
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      for (let d = 0; d < width; d++) {
        const a0 = a[i0 + d], a1 = a[i1 + d];
        const b0 = b[j0 + d], b1 = b[j1 + d], b2 = b[j2 + d], b3 = b[j3 + d];
        s00 += a0 * b0;
        s01 += a0 * b1;
        s02 += a0 * b2;
        s03 += a0 * b3;
        s10 += a1 * b0;
        s11 += a1 * b1;
        s12 += a1 * b2;
        s13 += a1 * b3;
      }
      const last = columns - 1 - j;
      storeTileRow(out, i * columns + j, last, s00, s01, s02, s03);
      if (i + 1 < count) storeTileRow(out, (i + 1) * columns + j, last, s10, s11, s12, s13);
    }
  }
}

/** Stores columns 0 … min(last, 3) of one row of a tile. */
function storeTileRow(
  out: Float64Array,
  at: number,
  last: number,
  s0: number,
  s1: number,
  s2: number,
  s3: number,
): void {
  out[at] = s0;
  if (last >= 1) out[at + 1] = s1;
  if (last >= 2) out[at + 2] = s2;
  if (last >= 3) out[at + 3] = s3;
}

/**
 * Checks a matrix of embeddings.
 *
 * @param rows how many rows of `width` it must have
 * @throws RangeError when its size differs or it holds NaN or ∞ (which would compare as neither above nor below, and so
 * rank as it should not)
 */
export function checkEmbeddings(name: string, embeddings: Float32Array, rows: number, width: number): void {
  if (!Number.isInteger(width) || width < 1 || embeddings.length !== rows * width) {
    throw new RangeError(
      `Cannot score "${name}": it has ${embeddings.length} numbers, expected ${rows} rows of ${width}`,
    );
  }
  const bad = embeddings.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RangeError(
      `Cannot score "${name}": row ${Math.floor(bad / width)} holds ${
        embeddings[bad]
      }, expected finite numbers; ` +
        "look for the step at which the loss diverged",
    );
  }
}
