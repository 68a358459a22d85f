// A copy, y = x, in vectors of four: the rate that no kernel that moves data can exceed by much.
//
// One invocation moves one vector. Deterministic.

const WORKGROUP: u32 = 64u;

struct Params {
  size: u32, // vectors
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4u>; // [size]
@group(0) @binding(2) var<storage, read_write> y: array<vec4u>; // [size]

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i < params.size) { y[i] = x[i]; }
}
