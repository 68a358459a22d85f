/** Layer normalisation in float64: y = (x − mean) · rstd · weight + bias, rstd = 1 / √(variance + ε), a row at a time. */

/** y [rows, D], and what backward needs: mean and rstd [rows]. D is the length of `weight`. */
export function layerNorm(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  epsilon = 1e-6,
): { y: Float64Array; mean: Float64Array; rstd: Float64Array } {
  const width = weight.length, rows = x.length / width;
  const y = new Float64Array(x.length), mean = new Float64Array(rows), rstd = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const first = row * width;
    for (let d = 0; d < width; d++) mean[row] += x[first + d] / width;
    let variance = 0;
    for (let d = 0; d < width; d++) variance += (x[first + d] - mean[row]) ** 2 / width;
    rstd[row] = 1 / Math.sqrt(variance + epsilon);
    for (let d = 0; d < width; d++) {
      y[first + d] = (x[first + d] - mean[row]) * rstd[row] * weight[d] + bias[d];
    }
  }
  return { y, mean, rstd };
}

/** dx [rows, D], dweight and dbias [D] from dy [rows, D]. */
export function layerNormBackward(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  dy: ArrayLike<number>,
  epsilon = 1e-6,
): { dx: Float64Array; dweight: Float64Array; dbias: Float64Array } {
  const width = weight.length;
  const { mean, rstd } = layerNorm(x, weight, new Float64Array(width), epsilon);
  const dx = new Float64Array(x.length), dweight = new Float64Array(width), dbias = new Float64Array(width);
  mean.forEach((center, row) => {
    const first = row * width;
    const normalized = (d: number) => (x[first + d] - center) * rstd[row];
    let sum = 0, product = 0; // of g = dy · weight, and of g · normalised x
    for (let d = 0; d < width; d++) {
      sum += dy[first + d] * weight[d];
      product += dy[first + d] * weight[d] * normalized(d);
      dweight[d] += dy[first + d] * normalized(d);
      dbias[d] += dy[first + d];
    }
    for (let d = 0; d < width; d++) {
      dx[first + d] = rstd[row] * (dy[first + d] * weight[d] - (sum + normalized(d) * product) / width);
    }
  });
  return { dx, dweight, dbias };
}
