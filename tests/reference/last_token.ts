/** Last-token pooling in float64: y[b] = x[b, T − 1]. */

/** [B, D] from x [B, T, D]. */
export function lastToken(x: ArrayLike<number>, tokens: number, width: number): Float64Array {
  const examples = x.length / (tokens * width);
  return Float64Array.from(
    { length: examples * width },
    (_, at) => x[(Math.floor(at / width) * tokens + tokens - 1) * width + at % width],
  );
}

/** dx [B, T, D] from dy [B, D]. */
export function lastTokenBackward(dy: ArrayLike<number>, tokens: number, width: number): Float64Array {
  const dx = new Float64Array(dy.length * tokens);
  for (let at = 0; at < dy.length; at++) {
    dx[(Math.floor(at / width) * tokens + tokens - 1) * width + at % width] = dy[at];
  }
  return dx;
}
