// Layer normalisation: y = (x − mean) · rstd · weight + bias, rstd = 1 / √(variance + ε)
// Source: Ba et al., arXiv:1607.06450.
//
// x, y, dx, dy [M, D]; weight, bias [D]; statistics [M] = (mean, rstd). A team of LANES invocations keeps a row in
// registers and reads it once; it handles TEAM_ROWS rows, so that the weight is read once for all of them and the sums
// of its gradient stay in registers too. The file that includes this one says how a team adds: `team_sum`, in a fixed
// order: deterministic.

const WIDTH: u32 = 64u; // D, a multiple of 4
const TEAM_ROWS: u32 = 4u;
const ACCUMULATE: bool = false; // backward adds `addend`
const EPSILON: f32 = 1e-6;
const TEAMS: u32 = WORKGROUP / LANES; // of a workgroup
const VECTORS: u32 = WIDTH / 4u;
const SPAN: u32 = (VECTORS + LANES - 1u) / LANES; // vectors of a row that one lane holds
const RAGGED: u32 = VECTORS % LANES; // 0: every lane holds the same number

alias StoredY = vec4f; // how y lies in memory; it may be in half precision

struct Params {
  rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(5) var<storage, read_write> statistics_out: array<vec2f>;
@group(0) @binding(3) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(4) var<storage, read> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read> addend: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dweight: array<vec4f>; // [teams, D]: Σ dy · x̂ over a team's rows
@group(0) @binding(8) var<storage, read_write> dbias: array<vec4f>; // [teams, D]: Σ dy

fn across(v: vec4f) -> f32 {
  return v.x + v.y + v.z + v.w;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let team = (group.y * groups.x + group.x) * TEAMS + local / LANES;
  let lane = local % LANES;
  var factor: array<vec4f, SPAN>;
  var shift: array<vec4f, SPAN>;
  // @unroll
  for (var i = 0u; i < SPAN; i++) {
    factor[i] = weight[min(i * LANES + lane, VECTORS - 1u)];
    shift[i] = bias[min(i * LANES + lane, VECTORS - 1u)];
  }
  for (var turn = 0u; turn < TEAM_ROWS; turn++) {
    let row = team * TEAM_ROWS + turn;
    let base = min(row, params.rows - 1u) * VECTORS; // teams past the end work along, so that barriers stay uniform
    var value: array<vec4f, SPAN>;
    var sum = vec4f(0.0);
    // @unroll
    for (var i = 0u; i < SPAN; i++) {
      value[i] = x[base + min(i * LANES + lane, VECTORS - 1u)];
      if (RAGGED == 0u || i * LANES + lane < VECTORS) { sum += value[i]; }
    }
    let mean = team_sum(local, vec2f(across(sum), 0.0)).x / f32(WIDTH);
    var squares = vec4f(0.0);
    // @unroll
    for (var i = 0u; i < SPAN; i++) {
      value[i] -= mean;
      if (RAGGED == 0u || i * LANES + lane < VECTORS) { squares += value[i] * value[i]; }
    }
    let rstd = 1.0 / sqrt(team_sum(local, vec2f(across(squares), 0.0)).x / f32(WIDTH) + EPSILON);
    if (row < params.rows) {
      // @unroll
      for (var i = 0u; i < SPAN; i++) {
        if (RAGGED == 0u || i * LANES + lane < VECTORS) {
          y[base + i * LANES + lane] = StoredY(value[i] * rstd * factor[i] + shift[i]);
        }
      }
      if (lane == 0u) { statistics_out[row] = vec2f(mean, rstd); }
    }
  }
}

// dx = rstd · (g − ⟨g⟩ − x̂ ⟨g x̂⟩) + addend with g = dy · weight, x̂ = (x − mean) · rstd
@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let team = (group.y * groups.x + group.x) * TEAMS + local / LANES;
  let lane = local % LANES;
  var factor: array<vec4f, SPAN>;
  var dfactor: array<vec4f, SPAN>;
  var dshift: array<vec4f, SPAN>;
  // @unroll
  for (var i = 0u; i < SPAN; i++) {
    factor[i] = weight[min(i * LANES + lane, VECTORS - 1u)];
    dfactor[i] = vec4f(0.0);
    dshift[i] = vec4f(0.0);
  }
  for (var turn = 0u; turn < TEAM_ROWS; turn++) {
    let row = team * TEAM_ROWS + turn;
    let source = min(row, params.rows - 1u);
    let base = source * VECTORS;
    let statistic = statistics[source];
    var normal: array<vec4f, SPAN>;
    var gradient: array<vec4f, SPAN>;
    var sums = vec2f(0.0);
    // @unroll
    for (var i = 0u; i < SPAN; i++) {
      let at = base + min(i * LANES + lane, VECTORS - 1u);
      let dvalue = dy[at];
      normal[i] = (x[at] - statistic.x) * statistic.y;
      gradient[i] = dvalue * factor[i];
      if (RAGGED == 0u || i * LANES + lane < VECTORS) {
        sums += vec2f(across(gradient[i]), across(gradient[i] * normal[i]));
      }
      if (row < params.rows) {
        dfactor[i] += dvalue * normal[i];
        dshift[i] += dvalue;
      }
    }
    let means = team_sum(local, sums) / f32(WIDTH);
    if (row < params.rows) {
      // @unroll
      for (var i = 0u; i < SPAN; i++) {
        if (RAGGED == 0u || i * LANES + lane < VECTORS) {
          let at = base + i * LANES + lane;
          var result = statistic.y * (gradient[i] - means.x - normal[i] * means.y);
          if (ACCUMULATE) { result += addend[at]; }
          dx[at] = result;
        }
      }
    }
  }
  if (team * TEAM_ROWS >= params.rows) { return; }
  // @unroll
  for (var i = 0u; i < SPAN; i++) {
    if (RAGGED == 0u || i * LANES + lane < VECTORS) {
      dweight[team * VECTORS + i * LANES + lane] = dfactor[i];
      dbias[team * VECTORS + i * LANES + lane] = dshift[i];
    }
  }
}
