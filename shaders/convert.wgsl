// The same numbers as they lie in memory in another type: y = x, rounded.
// One invocation converts four. Deterministic.

const WORKGROUP: u32 = 64u;

alias StoredX = vec4f;
alias StoredY = vec4f;

struct Params {
  size: u32, // vectors of 4 elements
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<StoredX>;
@group(0) @binding(2) var<storage, read_write> y: array<StoredY>;

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  y[i] = StoredY(x[i]);
}
