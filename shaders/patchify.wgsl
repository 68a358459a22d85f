// Cuts pictures into patches: y[b · N + n, (ph · P + pw) · 3 + c] = pixel / 127.5 − 1
//
// pixels: RGB bytes, four to a word, [B, I, I, 3]; y [B · N, P · P · 3], N = (I / P)² patches in reading order.
// One invocation computes one element. Deterministic.

const WORKGROUP: u32 = 64u;

struct Params {
  size: u32, // elements of y
  image: u32, // I
  patch_size: u32, // P
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let side = params.image / params.patch_size; // patches along an edge
  let length = params.patch_size * params.patch_size * 3u;
  let patch_index = i / length;
  let within = i % length;
  let n = patch_index % (side * side);
  let row = n / side * params.patch_size + within / (params.patch_size * 3u);
  let column = n % side * params.patch_size + within / 3u % params.patch_size;
  let byte = ((patch_index / (side * side) * params.image + row) * params.image + column) * 3u + within % 3u;
  let value = (pixels[byte / 4u] >> (byte % 4u * 8u)) & 0xffu;
  y[i] = f32(value) / 127.5 - 1.0;
}
