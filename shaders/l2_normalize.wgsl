// Unit rows: z = y / (‖y‖ + ε), ε = 1e-8 as in big_vision's two-tower model.
//
// y, z, dy, dz [M, D]. A team of LANES invocations handles one row; its sums are added in lane order: deterministic.

const ACCUMULATE: bool = false; // backward adds `addend`
const WORKGROUP: u32 = 64u;
const LANES: u32 = 16u;
const EPSILON: f32 = 1e-8;

struct Params {
  rows: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> z: array<f32>;
@group(0) @binding(2) var<storage, read> dz: array<f32>;
@group(0) @binding(3) var<storage, read> addend: array<f32>;
@group(0) @binding(4) var<storage, read_write> dy: array<f32>;

var<workgroup> shares: array<vec2f, WORKGROUP>;

// The sum of the team's values, the same on each of its lanes.
fn team_sum(local: u32, value: vec2f) -> vec2f {
  shares[local] = value;
  workgroupBarrier();
  let first = local / LANES * LANES;
  var sum = vec2f(0.0);
  for (var lane = 0u; lane < LANES; lane++) {
    sum += shares[first + lane];
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * (WORKGROUP / LANES) + local / LANES;
  let lane = local % LANES;
  let base = min(row, params.rows - 1u) * params.width;
  var squares = 0.0;
  for (var column = lane; column < params.width; column += LANES) {
    squares += y[base + column] * y[base + column];
  }
  let scale = 1.0 / (sqrt(team_sum(local, vec2f(squares, 0.0)).x) + EPSILON);
  if (row >= params.rows) { return; }
  for (var column = lane; column < params.width; column += LANES) {
    z[base + column] = y[base + column] * scale;
  }
}

// With n = ‖y‖ and s = 1 / (n + ε): dy = s · dz − s² / n · ⟨dz, y⟩ · y + addend
@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * (WORKGROUP / LANES) + local / LANES;
  let lane = local % LANES;
  let base = min(row, params.rows - 1u) * params.width;
  var sums = vec2f(0.0);
  for (var column = lane; column < params.width; column += LANES) {
    let v = y[base + column];
    sums += vec2f(v * v, v * dz[base + column]);
  }
  let total = team_sum(local, sums);
  let norm = sqrt(total.x);
  let scale = 1.0 / (norm + EPSILON);
  // The quotient first: it is at most ‖dz‖, and 0 for a row of zeros.
  let along = scale * scale * (total.y / max(norm, 1e-20));
  if (row >= params.rows) { return; }
  for (var column = lane; column < params.width; column += LANES) {
    var gradient = scale * dz[base + column] - along * y[base + column];
    if (ACCUMULATE) { gradient += addend[base + column]; }
    dy[base + column] = gradient;
  }
}
