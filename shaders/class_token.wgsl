// Puts one learned row before every sequence: y[b, 0] = token, y[b, 1 + n] = x[b, n]
//
// x, dx [B, N, D]; token [D]; y, dy [B, N + 1, D], vectors of four. `backward` gives dx; the token's gradient is the sum
// of the rows dy[b, 0]. One invocation moves one vector. Deterministic.

const ACCUMULATE: bool = false; // backward adds `addend`
const WORKGROUP: u32 = 64u;

struct Params {
  size: u32, // vectors that the entry point writes
  patches: u32, // N
  width: u32, // D / 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> token: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> addend: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let row = i / params.width;
  let example = row / (params.patches + 1u);
  let place = row % (params.patches + 1u);
  if (place == 0u) {
    y[i] = token[i % params.width];
  } else {
    y[i] = x[(example * params.patches + place - 1u) * params.width + i % params.width];
  }
}

@compute @workgroup_size(WORKGROUP)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  // Row n of example b lies b + 1 rows further on in dy.
  let example = i / params.width / params.patches;
  var gradient = dy[i + (example + 1u) * params.width];
  if (ACCUMULATE) { gradient += addend[i]; }
  dx[i] = gradient;
}
