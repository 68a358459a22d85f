// Contrastive losses over dot products d_ij = zᴵ_i · zᵀ_j of b images and b texts, with l_ij = α d_ij + β, α = exp(t).
// They come in blocks of R rows, [R, b], so that a large batch needs no [b, b] matrix; row r of a block is pair first + r.
//
// Sigmoid (SigLIP, arXiv:2303.15343): L = (1/b) Σ_ij −log σ(m_ij l_ij), m = 2I − 1.
// Softmax (CLIP, arXiv:2103.00020): L = (1/2b) Σ_i [(lse_j l_ij − l_ii) + (lse_j l_ji − l_ii)].
// Both write G_ij = ∂L/∂d_ij (so dZᴵ = G Zᵀ, dZᵀ = Gᵀ Zᴵ) and per row i: its share of L, of ∂L/∂t = Σ_j G_ij d_ij and
// of ∂L/∂β. `finish` adds the rows. A row's lse is whole in its block; a column's grows block by block (ACCUMULATE).
// A workgroup of WORKGROUP lanes handles one row (or column); lane sums are added in order: deterministic.

const WORKGROUP: u32 = 64u;
const ACCUMULATE: bool = false; // softmax_lse goes on from the columns' lse over the blocks before

struct Params {
  batch: u32, // b
  first: u32, // pair of the block's first row
  rows: u32, // R
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dots: array<f32>;
@group(0) @binding(2) var<storage, read> logit_scale: array<f32>; // t
@group(0) @binding(3) var<storage, read> logit_bias: array<f32>; // β
@group(0) @binding(4) var<storage, read> row_lse: array<f32>;
@group(0) @binding(5) var<storage, read> column_lse: array<f32>;
@group(0) @binding(6) var<storage, read_write> ddots: array<f32>; // G
@group(0) @binding(7) var<storage, read_write> row_sums: array<vec4f>; // loss, ∂t, ∂β, unused
@group(0) @binding(4) var<storage, read_write> row_lse_out: array<f32>;
@group(0) @binding(5) var<storage, read_write> column_lse_out: array<f32>;
@group(0) @binding(6) var<storage, read> column_lse_before: array<f32>;
@group(0) @binding(1) var<storage, read> row_sums_in: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> dlogit_scale: array<f32>;
@group(0) @binding(4) var<storage, read_write> dlogit_bias: array<f32>;

var<workgroup> shares: array<vec4f, WORKGROUP>;

fn total(local: u32, value: vec4f) -> vec4f {
  shares[local] = value;
  workgroupBarrier();
  var sum = vec4f(0.0);
  for (var lane = 0u; lane < WORKGROUP; lane++) {
    sum += shares[lane];
  }
  return sum;
}

// log(1 + exp(x)) = max(x, 0) + log(1 + e), e = exp(−|x|), and log(1 + e) = 2 artanh(e / (2 + e)) as its series, which
// keeps the digits of a small e where 1 + e would lose them. Its argument is at most 1/3: seven terms are enough.
fn softplus(x: f32) -> f32 {
  let e = exp(-abs(x));
  let s = e / (2.0 + e);
  let q = s * s;
  let series = 1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q / 13.0)))));
  return max(x, 0.0) + 2.0 * s * series;
}

fn sigmoid(x: f32) -> f32 {
  let e = exp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

@compute @workgroup_size(WORKGROUP)
fn sigmoid_loss(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = group.x;
  let alpha = exp(logit_scale[0]);
  let scale = 1.0 / f32(params.batch);
  var sums = vec4f(0.0);
  for (var column = local; column < params.batch; column += WORKGROUP) {
    let at = row * params.batch + column;
    let sign = select(-1.0, 1.0, params.first + row == column);
    let logit = alpha * dots[at] + logit_bias[0];
    let dlogit = -sign * sigmoid(-sign * logit) * scale;
    ddots[at] = dlogit * alpha;
    sums += vec4f(softplus(-sign * logit) * scale, dlogit * alpha * dots[at], dlogit, 0.0);
  }
  let sum = total(local, sums);
  if (local == 0u) { row_sums[row] = sum; }
}

// Log-sum-exp of the block's row group.x (group.y = 0), or of column group.x over the rows so far (group.y = 1).
@compute @workgroup_size(WORKGROUP)
fn softmax_lse(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  if (group.y == 0u && group.x >= params.rows) { return; } // the grid is as wide as there are columns
  let alpha = exp(logit_scale[0]);
  let b = params.batch;
  let count = select(b, params.rows, group.y == 1u);
  let step = select(1u, b, group.y == 1u);
  let first = select(group.x * b, group.x, group.y == 1u);
  var highest = -1e30;
  var sum = 0.0;
  for (var i = local; i < count; i += WORKGROUP) {
    let logit = alpha * dots[first + i * step] + logit_bias[0];
    let peak = max(highest, logit);
    sum = sum * exp(highest - peak) + exp(logit - peak);
    highest = peak;
  }
  shares[local] = vec4f(highest, sum, 0.0, 0.0);
  workgroupBarrier();
  if (local != 0u) { return; }
  var peak = -1e30;
  for (var lane = 0u; lane < WORKGROUP; lane++) {
    peak = max(peak, shares[lane].x);
  }
  var whole = 0.0;
  for (var lane = 0u; lane < WORKGROUP; lane++) {
    whole += shares[lane].y * exp(shares[lane].x - peak);
  }
  var lse = peak + log(whole);
  if (group.y == 0u) {
    row_lse_out[group.x] = lse;
    return;
  }
  if (ACCUMULATE) {
    let before = column_lse_before[group.x];
    lse = max(lse, before) + softplus(-abs(lse - before));
  }
  column_lse_out[group.x] = lse;
}

@compute @workgroup_size(WORKGROUP)
fn softmax_loss(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = group.x;
  let pair = params.first + row;
  let alpha = exp(logit_scale[0]);
  let scale = 0.5 / f32(params.batch);
  var sums = vec4f(0.0);
  for (var column = local; column < params.batch; column += WORKGROUP) {
    let at = row * params.batch + column;
    let logit = alpha * dots[at] + logit_bias[0];
    let own = pair == column;
    let dlogit = scale * (exp(logit - row_lse[row]) + exp(logit - column_lse[column]) - select(0.0, 2.0, own));
    ddots[at] = dlogit * alpha;
    let share = select(0.0, scale * (row_lse[row] + column_lse[pair] - 2.0 * logit), own);
    sums += vec4f(share, dlogit * alpha * dots[at], 0.0, 0.0); // β cancels: its gradient is zero, not rounding noise
  }
  let sum = total(local, sums);
  if (local == 0u) { row_sums[row] = sum; }
}

@compute @workgroup_size(WORKGROUP)
fn finish(@builtin(local_invocation_index) local: u32) {
  var sums = vec4f(0.0);
  for (var row = local; row < params.batch; row += WORKGROUP) {
    sums += row_sums_in[row];
  }
  let sum = total(local, sums);
  if (local == 0u) {
    loss[0] = sum.x;
    dlogit_scale[0] = sum.y;
    dlogit_bias[0] = sum.z;
  }
}
