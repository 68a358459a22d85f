/** Named parameters and their gradients in float64, as a checkpoint names them. */

/** Parameters, or gradients, by name. */
export type Parameters = Record<string, Float64Array>;

/** Adds gradients to what is there already. */
export function addGradients(to: Parameters, gradients: Parameters): void {
  for (const [name, gradient] of Object.entries(gradients)) {
    to[name] = to[name]?.map((value, i) => value + gradient[i]) ?? gradient;
  }
}

/** a + b. */
export function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]);
}

/** Columns `from` … `to` of a matrix with `width` columns. */
export function columns(x: Float64Array, width: number, from: number, to: number): Float64Array {
  return Float64Array.from(
    { length: x.length / width * (to - from) },
    (_, at) => x[Math.floor(at / (to - from)) * width + from + at % (to - from)],
  );
}

/** Matrices with the same rows, side by side. */
export function sideBySide(parts: readonly Float64Array[], width: number): Float64Array {
  const out = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0)),
    wide = width * parts.length;
  parts.forEach((part, p) =>
    part.forEach((value, at) => out[Math.floor(at / width) * wide + p * width + at % width] = value)
  );
  return out;
}
