// Cuts pictures into patches: y[b · N + n, (ph · P + pw) · 3 + c] = pixel / DIVISOR_c + OFFSET_c
//
// pixels: RGB bytes, four to a word, [B, I, I, 3]; y [B · N, P · P · 3], N = (I / P)² patches in reading order.
// `forward` handles one word an invocation, which is four neighbouring elements of y when 3 P is a multiple of 4;
// `forward_bytes` handles one element an invocation, for other patch sizes. Deterministic.

const WORKGROUP: u32 = 64u;
// Of red, green and blue: 255 · std, and −mean / std.
const DIVISOR_R: f32 = 127.5;
const DIVISOR_G: f32 = 127.5;
const DIVISOR_B: f32 = 127.5;
const OFFSET_R: f32 = -1.0;
const OFFSET_G: f32 = -1.0;
const OFFSET_B: f32 = -1.0;

// How y lies in memory; it may be in half precision.
alias StoredY = vec4f;
alias StoredYByte = f32;

struct Params {
  size: u32, // elements of y, or words
  image: u32, // I
  patch_size: u32, // P
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(2) var<storage, read_write> y_bytes: array<StoredYByte>;

fn rotated(r: f32, g: f32, b: f32, first: u32) -> vec4f {
  return select(select(vec4f(r, g, b, r), vec4f(g, b, r, g), first == 1u), vec4f(b, r, g, b), first == 2u);
}

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let side = params.image / params.patch_size; // patches along an edge
  let line = params.patch_size * 3u / 4u; // words of a patch's row
  let row = i / line; // of a patch: ((b · side + patch row) · side + patch column) · P + row in the patch
  let patch_index = row / params.patch_size;
  let picture_row = patch_index / side * params.patch_size + row % params.patch_size;
  let word = pixels[(picture_row * side + patch_index % side) * line + i % line];
  let bytes = vec4u(word, word >> 8u, word >> 16u, word >> 24u) & vec4u(0xffu);
  // Lines are a multiple of 3 words, and 4 elements on is one channel on.
  let divisor = rotated(DIVISOR_R, DIVISOR_G, DIVISOR_B, i % 3u);
  y[i] = StoredY(vec4f(bytes) / divisor + rotated(OFFSET_R, OFFSET_G, OFFSET_B, i % 3u));
}

@compute @workgroup_size(WORKGROUP)
fn forward_bytes(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let side = params.image / params.patch_size;
  let length = params.patch_size * params.patch_size * 3u;
  let patch_index = i / length;
  let within = i % length;
  let n = patch_index % (side * side);
  let row = n / side * params.patch_size + within / (params.patch_size * 3u);
  let column = n % side * params.patch_size + within / 3u % params.patch_size;
  let byte = ((patch_index / (side * side) * params.image + row) * params.image + column) * 3u + within % 3u;
  let value = (pixels[byte / 4u] >> (byte % 4u * 8u)) & 0xffu;
  let divisor = rotated(DIVISOR_R, DIVISOR_G, DIVISOR_B, within % 3u).x;
  y_bytes[i] = StoredYByte(f32(value) / divisor + rotated(OFFSET_R, OFFSET_G, OFFSET_B, within % 3u).x);
}
