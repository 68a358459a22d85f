/** Token plus position embedding in float64: x[b, t] = table[token[b, t]] + position[t]. */

/** [B·T, D] from tokens [B, T], table [V, D] and position [T, D]. */
export function embedTokens(
  tokens: ArrayLike<number>,
  table: ArrayLike<number>,
  position: ArrayLike<number>,
  width: number,
): Float64Array {
  return Float64Array.from(
    { length: tokens.length * width },
    (_, at) => table[tokens[Math.floor(at / width)] * width + at % width] + position[at % position.length],
  );
}

/** dtable [V, D] and dposition [T, D] from dy [B·T, D]. */
export function embedTokensBackward(
  tokens: ArrayLike<number>,
  dy: ArrayLike<number>,
  size: { readonly vocabulary: number; readonly tokens: number; readonly width: number },
): { dtable: Float64Array; dposition: Float64Array } {
  const { width } = size;
  const dtable = new Float64Array(size.vocabulary * width), dposition = new Float64Array(size.tokens * width);
  for (let at = 0; at < dy.length; at++) {
    dtable[tokens[Math.floor(at / width)] * width + at % width] += dy[at];
    dposition[at % dposition.length] += dy[at];
  }
  return { dtable, dposition };
}
