// Resizes a picture with antialiasing, as src/data/images/resize.ts does and to the bit: two passes of weights in units of
// 2⁻²², rounded to bytes after each. 255 · Σ|w| stays below 2³¹ for every filter used.
//
// pixels: RGB bytes, four to a word, [H, W, 3]; rows [H, W'] one pixel a word (R lowest); y: RGB bytes, four to a word,
// [I, I, 3], the window of the resized [H', W'] that begins at (top, left), white outside it.
// A line of a table: first source pixel, number of them, weights. `horizontal` makes one pixel an invocation, `vertical` one
// word. Deterministic.

const WORKGROUP: u32 = 64u;
const PRECISION: u32 = 22u;

struct Params {
  size: u32, // elements that the entry point writes
  width: u32, // W; vertical: W'
  out: u32, // W'; vertical: I
  taps: u32, // most weights of a line
  height: u32, // vertical: H'
  left: i32,
  top: i32,
  to: u32, // vertical: first word of y
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<i32>;
@group(0) @binding(3) var<storage, read_write> rows: array<u32>;
@group(0) @binding(1) var<storage, read> resized: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

fn to_byte(sum: i32) -> u32 {
  return u32(clamp(sum >> PRECISION, 0, 255));
}

@compute @workgroup_size(WORKGROUP)
fn horizontal(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let line = i % params.out * (params.taps + 2u);
  let first = i / params.out * params.width + u32(table[line]);
  let count = u32(table[line + 1u]);
  var sum = vec3i(1 << (PRECISION - 1u));
  for (var k = 0u; k < count; k++) {
    let at = (first + k) * 3u;
    let low = pixels[at / 4u] >> (at % 4u * 8u);
    // A pixel that crosses into the next word takes its last bytes from there.
    var high = 0u;
    if (at % 4u > 1u) { high = pixels[at / 4u + 1u] << ((4u - at % 4u) * 8u); }
    let word = low | high;
    sum += vec3i(vec3u(word, word >> 8u, word >> 16u) & vec3u(0xffu)) * table[line + 2u + k];
  }
  rows[i] = to_byte(sum.x) | (to_byte(sum.y) << 8u) | (to_byte(sum.z) << 16u);
}

@compute @workgroup_size(WORKGROUP)
fn vertical(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  var word = 0u;
  for (var part = 0u; part < 4u; part++) {
    let byte = i * 4u + part;
    let column = i32(byte / 3u % params.out) + params.left;
    let row = i32(byte / 3u / params.out) + params.top;
    var value = 255u;
    if (column >= 0 && column < i32(params.width) && row >= 0 && row < i32(params.height)) {
      let line = u32(row) * (params.taps + 2u);
      let first = u32(table[line]);
      let count = u32(table[line + 1u]);
      var sum = i32(1 << (PRECISION - 1u));
      for (var k = 0u; k < count; k++) {
        let pixel = resized[(first + k) * params.width + u32(column)];
        sum += i32((pixel >> (byte % 3u * 8u)) & 0xffu) * table[line + 2u + k];
      }
      value = to_byte(sum);
    }
    word |= value << (part * 8u);
  }
  y[params.to + i] = word;
}
