// Scores under the softmax loss, conditional on the examples that are chosen already.
// Source: Evans et al., arXiv:2406.17711, appendix A; the frame says what S, b, A and N are.
//
// With l_ij = α zᴵ_i·zᵀ_j (β cancels), for each model
//   own loss −l_ii;   beside A: −l_ii + ½ (lse_{k∈A} l_ik + lse_{k∈A} l_ki)
// and cond_i = gain · (LEARNER_SIGN · learner's + REFERENCE_SIGN · reference's). The log-sum-exps over A are kept as
// running ones, lse(A ∪ B) = log(exp lse(A) + exp lse(B)), which is exact; nothing is ever taken away from one.
// The batch's score is that of its loss: (1/b) Σ_i ½ (lse_j l_ij + lse_j l_ji) − l_ii over the pairs chosen.

// @include scores_frame.wgsl

const LOWEST: f32 = -1e30; // the log-sum-exp of nothing

// Log-sum-exps of l_ik and l_ki by the learner, then by the reference: [S].
@group(0) @binding(6) var<storage, read_write> totals: array<vec4f>;
@group(0) @binding(2) var<storage, read> part_totals: array<vec4f>; // [N, stride]

fn own_score(learner: f32, reference: f32) -> f32 {
  var sum = 0.0;
  if (LEARNER_SIGN != 0.0) { sum -= LEARNER_SIGN * logits[0] * learner; }
  if (REFERENCE_SIGN != 0.0) { sum -= REFERENCE_SIGN * logits[2] * reference; }
  return sum;
}

// What log-sum-exps add to an own score.
fn beside(lse: vec4f) -> f32 {
  var sum = 0.0;
  if (LEARNER_SIGN != 0.0) { sum += LEARNER_SIGN * 0.5 * (lse.x + lse.y); }
  if (REFERENCE_SIGN != 0.0) { sum += REFERENCE_SIGN * 0.5 * (lse.z + lse.w); }
  return sum;
}

// The four logits of two pairs that share an example, at `at` in the products.
fn pair_logits(at: u32) -> vec4f {
  var pair = vec4f(0.0);
  if (LEARNER_SIGN != 0.0) { pair = vec4f(logits[0] * vec2f(learner_forth[at], learner_back[at]), pair.zw); }
  if (REFERENCE_SIGN != 0.0) { pair = vec4f(pair.xy, logits[2] * vec2f(reference_forth[at], reference_back[at])); }
  return pair;
}

// A log-sum-exp under way is `highest` and `total`, Σ exp(l − highest).
struct Running {
  highest: vec4f,
  total: vec4f,
}

fn include(running: Running, logit: vec4f) -> Running {
  let peak = max(running.highest, logit);
  return Running(peak, running.total * exp(running.highest - peak) + exp(logit - peak));
}

fn nothing_yet() -> Running {
  return Running(vec4f(LOWEST), vec4f(0.0));
}

// The candidates' log-sum-exps over the members.
@compute @workgroup_size(WORKGROUP)
fn add(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.count || (!EVERY && slots[i] != NOT_SELECTED)) { return; }
  var running = nothing_yet();
  if (ACCUMULATE) { running = include(running, totals[i]); }
  for (var k = 0u; k < params.members; k++) {
    running = include(running, pair_logits(k * params.count + i));
  }
  totals[i] = running.highest + log(running.total);
}

// The scores given the totals of all parts but the dropped one; the members `first` … are free again.
@compute @workgroup_size(WORKGROUP)
fn combine(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.count) { return; }
  var running = nothing_yet();
  var counted = 0u;
  for (var part = 0u; part < params.parts; part++) {
    if (part != params.dropped) {
      running = include(running, part_totals[part * params.stride + i]);
      counted++;
    }
  }
  var score = diagonal[i];
  if (counted > 0u) { score += beside(running.highest + log(running.total)); }
  cond_out[i] = params.gain * score;
  let slot = slots_out[i];
  if (slot >= params.first && slot < params.first + params.members) { slots_out[i] = NOT_SELECTED; }
}

// Rows `first` … of the batch's loss: lse_j l_ij − l_ii = log(1 + Σ_{j≠i} exp(l_ij − l_ii)), which keeps the digits of a
// loss near zero where the difference of the two would lose them.
@compute @workgroup_size(WORKGROUP)
fn rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.y * groups.x * WORKGROUP + id.x;
  if (row >= params.members) { return; }
  let own = pair_logits(row * params.batch + params.first + row);
  var running = nothing_yet();
  for (var column = 0u; column < params.batch; column++) {
    if (column != params.first + row) {
      running = include(running, pair_logits(row * params.batch + column) - own);
    }
  }
  let others = running.highest + log(max(running.total, vec4f(1.0))); // a total is at least 1, or that of nothing
  row_sums[params.first + row] =
    beside(vec4f(softplus(others.x), softplus(others.y), softplus(others.z), softplus(others.w)));
}
