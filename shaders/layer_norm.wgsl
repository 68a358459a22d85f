// Layer normalisation: y = (x − mean) · rstd · weight + bias, rstd = 1 / √(variance + ε)
// Source: Ba et al., arXiv:1607.06450.
//
// x, y, dx, dy [M, D]; weight, bias [D]; mean, rstd [M]. A team of LANES invocations handles one row; a workgroup
// holds WORKGROUP / LANES teams. Team sums are added in lane order: deterministic.

const ACCUMULATE: bool = false; // backward_input adds `addend`
const WORKGROUP: u32 = 64u;
const LANES: u32 = 16u;
const EPSILON: f32 = 1e-6;

struct Params {
  rows: u32,
  width: u32,
  segment: u32, // rows that one invocation of backward_weight sums
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean_out: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd_out: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> rstd: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read> addend: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(7) var<storage, read_write> dbias: array<f32>;

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
  workgroupBarrier();
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
  let base = min(row, params.rows - 1u) * params.width; // teams past the end work along, so that barriers stay uniform
  var sum = 0.0;
  for (var column = lane; column < params.width; column += LANES) {
    sum += x[base + column];
  }
  let average = team_sum(local, vec2f(sum, 0.0)).x / f32(params.width);
  var squares = 0.0;
  for (var column = lane; column < params.width; column += LANES) {
    let difference = x[base + column] - average;
    squares += difference * difference;
  }
  let variance = team_sum(local, vec2f(squares, 0.0)).x / f32(params.width);
  let scale = 1.0 / sqrt(variance + EPSILON);
  if (row >= params.rows) { return; }
  for (var column = lane; column < params.width; column += LANES) {
    y[base + column] = (x[base + column] - average) * scale * weight[column] + bias[column];
  }
  if (lane == 0u) {
    mean_out[row] = average;
    rstd_out[row] = scale;
  }
}

// dx = rstd · (g − ⟨g⟩ − x̂ ⟨g x̂⟩) + addend with g = dy · weight, x̂ = (x − mean) · rstd
@compute @workgroup_size(WORKGROUP)
fn backward_input(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * (WORKGROUP / LANES) + local / LANES;
  let lane = local % LANES;
  let source = min(row, params.rows - 1u);
  let base = source * params.width;
  let average = mean[source];
  let scale = rstd[source];
  var sums = vec2f(0.0);
  for (var column = lane; column < params.width; column += LANES) {
    let g = dy[base + column] * weight[column];
    sums += vec2f(g, g * (x[base + column] - average) * scale);
  }
  let means = team_sum(local, sums) / f32(params.width);
  if (row >= params.rows) { return; }
  for (var column = lane; column < params.width; column += LANES) {
    let normal = (x[base + column] - average) * scale;
    var gradient = scale * (dy[base + column] * weight[column] - means.x - normal * means.y);
    if (ACCUMULATE) { gradient += addend[base + column]; }
    dx[base + column] = gradient;
  }
}

// Sums of one segment of rows, [segments, D] each: dweight = Σ dy · x̂, dbias = Σ dy. One invocation a column.
@compute @workgroup_size(WORKGROUP)
fn backward_weight(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= params.width) { return; }
  let first = id.y * params.segment;
  let last = min(first + params.segment, params.rows);
  var sums = vec2f(0.0);
  for (var row = first; row < last; row++) {
    let at = row * params.width + column;
    sums += vec2f(dy[at] * (x[at] - mean[row]) * rstd[row], dy[at]);
  }
  dweight[id.y * params.width + column] = sums.x;
  dbias[id.y * params.width + column] = sums.y;
}
