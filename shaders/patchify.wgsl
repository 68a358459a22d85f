// Cuts pictures into patches: y[b · N + n, (ph · P + pw) · 3 + c] = pixel / 127.5 − 1
//
// pixels: RGB bytes, four to a word, [B, I, I, 3]; y [B · N, P · P · 3], N = (I / P)² patches in reading order.
// `forward` handles one word an invocation, which is four neighbouring elements of y when 3 P is a multiple of 4;
// `forward_bytes` handles one element an invocation, for other patch sizes. Deterministic.

const WORKGROUP: u32 = 64u;

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
  y[i] = StoredY(vec4f(bytes) / 127.5 - 1.0);
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
  y_bytes[i] = StoredYByte(f32(value) / 127.5 - 1.0);
}
