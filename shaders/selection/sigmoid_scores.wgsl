// Scores under the sigmoid loss: how much each candidate would add to a batch, kept up while the batch grows.
// Source: Evans et al., arXiv:2406.17711, section 3 and appendix A; the frame says what S, b, A and N are.
//
// With ℓ_ij = −log σ(m_ij (α zᴵ_i·zᵀ_j + β)), m = 2I − 1:
//   S_ij = LEARNER_SIGN · ℓ_ij(learner) + REFERENCE_SIGN · ℓ_ij(reference)
//   cond_i = gain · (S_ii + Σ_{k∈A} (S_ik + S_ki))
// which is what gain · Σ_{A×A} S grows by when i joins A. Being a sum, it takes new members as they come.

// @include scores_frame.wgsl

@group(0) @binding(6) var<storage, read_write> totals: array<f32>; // [S]: `cond` itself, or one part's share of it
@group(0) @binding(2) var<storage, read> part_totals: array<f32>; // [N, stride]

fn learner_loss(dots: f32, sign: f32) -> f32 {
  return softplus(-sign * (logits[0] * dots + logits[1]));
}

fn reference_loss(dots: f32, sign: f32) -> f32 {
  return softplus(-sign * (logits[2] * dots + logits[3]));
}

// S_ij from both models' dot products; `sign` is m_ij.
fn score(learner: f32, reference: f32, sign: f32) -> f32 {
  if (LEARNER_SIGN == 0.0) { return REFERENCE_SIGN * reference_loss(reference, sign); }
  if (REFERENCE_SIGN == 0.0) { return LEARNER_SIGN * learner_loss(learner, sign); }
  return LEARNER_SIGN * learner_loss(learner, sign) + REFERENCE_SIGN * reference_loss(reference, sign);
}

fn own_score(learner: f32, reference: f32) -> f32 {
  return score(learner, reference, 1.0);
}

// What the members add to the candidates' scores.
@compute @workgroup_size(WORKGROUP)
fn add(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.count || (!EVERY && slots[i] != NOT_SELECTED)) { return; }
  var sum = 0.0;
  for (var k = 0u; k < params.members; k++) {
    let at = k * params.count + i;
    sum += score(learner_forth[at], reference_forth[at], -1.0) + score(learner_back[at], reference_back[at], -1.0);
  }
  sum *= params.gain;
  if (ACCUMULATE) { sum += totals[i]; }
  totals[i] = sum;
}

// The scores given the totals of all parts but the dropped one; the members `first` … are free again.
@compute @workgroup_size(WORKGROUP)
fn combine(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.count) { return; }
  var sum = params.gain * diagonal[i];
  for (var part = 0u; part < params.parts; part++) {
    if (part != params.dropped) { sum += part_totals[part * params.stride + i]; }
  }
  cond_out[i] = sum;
  let slot = slots_out[i];
  if (slot >= params.first && slot < params.first + params.members) { slots_out[i] = NOT_SELECTED; }
}

// Rows `first` … of Σ_{A×A} S.
@compute @workgroup_size(WORKGROUP)
fn rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.y * groups.x * WORKGROUP + id.x;
  if (row >= params.members) { return; }
  var sum = 0.0;
  for (var column = 0u; column < params.batch; column++) {
    let at = row * params.batch + column;
    sum += score(learner_forth[at], reference_forth[at], select(-1.0, 1.0, column == params.first + row));
  }
  row_sums[params.first + row] = sum;
}
