// The two passes of src/data/images/resize.ts with SIMD. AssemblyScript: `deno task gen` compiles it into
// src/data/images/resample.gen.ts.
//
// A weight, with 22 bits behind the point, is taken apart as high · 2¹¹ + low, so that both fit the 16-bit products that are
// added in pairs. Sums are exact, and below 2³¹ for every filter used.
//
// A line of a table, one for each output: first source pixel, groups of four, and for each group four pairs of 16-bit
// weights: high of 0 and 1, high of 2 and 3, low of 0 and 1, low of 2 and 3. A group may reach beyond the last source pixel,
// with weights of 0: there is room for that behind the sources.

const PRECISION: i32 = 22;
const LOW_BITS: i32 = 11;
const HALF: i32 = 1 << (PRECISION - 1);
const HEAD: usize = 8;
const GROUP: usize = 16;

/** The weighted sums of four outputs, rounded. */

function rounded(high: v128, low: v128): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.shl(high, LOW_BITS), low), PRECISION);
}

/** [rows, width, 3] bytes → [rows, out, 3]; one byte behind the target is written over. */
export function horizontal(
  source: usize,
  rows: i32,
  width: i32,
  table: usize,
  stride: usize,
  out: i32,
  target: usize,
): void {
  const zero = i32x4.splat(0), half = i32x4.splat(HALF);
  for (let y = 0; y < rows; y++) {
    let line = table;
    for (let x = 0; x < out; x++) {
      let from = source + <usize> load<i32>(line) * 3, at = line + HEAD, high = zero, low = half;
      for (let groups = load<i32>(line, 4); groups > 0; groups--) {
        const pixels = v128.load(from);
        // Each channel of two pixels side by side, as 16 bits.
        const a = i8x16.shuffle(pixels, zero, 0, 16, 3, 16, 1, 16, 4, 16, 2, 16, 5, 16, 16, 16, 16, 16);
        const b = i8x16.shuffle(pixels, zero, 6, 16, 9, 16, 7, 16, 10, 16, 8, 16, 11, 16, 16, 16, 16, 16);
        high = i32x4.add(high, i32x4.dot_i16x8_s(a, v128.load32_splat(at)));
        high = i32x4.add(high, i32x4.dot_i16x8_s(b, v128.load32_splat(at, 4)));
        low = i32x4.add(low, i32x4.dot_i16x8_s(a, v128.load32_splat(at, 8)));
        low = i32x4.add(low, i32x4.dot_i16x8_s(b, v128.load32_splat(at, 12)));
        from += 12;
        at += GROUP;
      }
      const words = rounded(high, low), halves = i16x8.narrow_i32x4_s(words, words);
      store<i32>(target, i32x4.extract_lane(i8x16.narrow_i16x8_u(halves, halves), 0));
      target += 3;
      line += stride;
    }
    source += <usize> width * 3;
  }
}

/** [rows, length] bytes → [out, length]; up to seven bytes behind the target are written over. */
export function vertical(
  source: usize,
  length: i32,
  table: usize,
  stride: usize,
  out: i32,
  target: usize,
): void {
  const zero = i32x4.splat(0), half = i32x4.splat(HALF), step = <usize> length;
  for (let y = 0; y < out; y++) {
    const first = source + <usize> load<i32>(table) * step, count = load<i32>(table, 4);
    for (let x = 0; x < length; x += 8) {
      let from = first + <usize> x, at = table + HEAD;
      let highLeft = zero, lowLeft = half, highRight = zero, lowRight = half;
      for (let groups = count; groups > 0; groups--) {
        for (let pair: usize = 0; pair < 8; pair += 4) {
          // The bytes of two rows, one above the other, as 16 bits.
          const above = v128.load64_zero(from), below = v128.load64_zero(from + step);
          const both = i8x16.shuffle(above, below, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
          const left = i16x8.extend_low_i8x16_u(both), right = i16x8.extend_high_i8x16_u(both);
          const high = v128.load32_splat(at + pair), low = v128.load32_splat(at + pair, 8);
          highLeft = i32x4.add(highLeft, i32x4.dot_i16x8_s(left, high));
          lowLeft = i32x4.add(lowLeft, i32x4.dot_i16x8_s(left, low));
          highRight = i32x4.add(highRight, i32x4.dot_i16x8_s(right, high));
          lowRight = i32x4.add(lowRight, i32x4.dot_i16x8_s(right, low));
          from += step + step;
        }
        at += GROUP;
      }
      const halves = i16x8.narrow_i32x4_s(rounded(highLeft, lowLeft), rounded(highRight, lowRight));
      store<i64>(target + <usize> x, i64x2.extract_lane(i8x16.narrow_i16x8_u(halves, halves), 0));
    }
    table += stride;
    target += step;
  }
}
