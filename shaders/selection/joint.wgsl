// JEST's scores: how much each candidate would add to a batch, kept up while the batch grows chunk by chunk.
// Source: Evans et al., arXiv:2406.17711, section 3 and appendix A.
//
// S super-batch, b sub-batch, A the examples chosen so far. With ℓ_ij = −log σ(m_ij (α zᴵ_i·zᵀ_j + β)), m = 2I − 1:
//   S_ij = gain · (LEARNER_SIGN · ℓ_ij(learner) + REFERENCE_SIGN · ℓ_ij(reference))
//   cond_i = S_ii + Σ_{k∈A} (S_ik + S_ki)
// which is what Σ_{A×A} S grows by when i joins A. Never a [S, S] matrix: for each block of new members the matrix
// products of their embeddings with all candidates' are taken anew, [members, S], and `grow` adds what they come to.
// One invocation a candidate, neighbours read neighbouring words, all sums in order: deterministic.

const LEARNER_SIGN: f32 = 1.0; // learnability: +1 and −1; easy reference: 0 and −1; hard learner: +1 and 0
const REFERENCE_SIGN: f32 = -1.0;
const WORKGROUP: u32 = 64u;
const NOT_SELECTED: u32 = 0xffffffffu;

struct Params {
  count: u32, // S
  batch: u32, // b
  vectors: u32, // D / 4 of the model (members)
  learner_vectors: u32, // D / 4 of each (start)
  reference_vectors: u32,
  first: u32, // where the members start in `indices`, or the rows in the batch
  members: u32, // how many there are
  gain: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> learner_image: array<vec4f>; // [S, D]
@group(0) @binding(2) var<storage, read> learner_text: array<vec4f>;
@group(0) @binding(3) var<storage, read> reference_image: array<vec4f>;
@group(0) @binding(4) var<storage, read> reference_text: array<vec4f>;
@group(0) @binding(5) var<storage, read> logits: array<f32>; // α, β of the learner, then of the reference
@group(0) @binding(6) var<storage, read_write> cond_out: array<f32>;
@group(0) @binding(7) var<storage, read_write> diagonal: array<f32>; // S_ii at gain 1
@group(0) @binding(8) var<storage, read_write> slots_out: array<u32>;

@group(0) @binding(1) var<storage, read> image: array<vec4f>; // one model's, [S, D]
@group(0) @binding(2) var<storage, read> text: array<vec4f>;
@group(0) @binding(3) var<storage, read> indices: array<u32>;
@group(0) @binding(4) var<storage, read_write> member_image: array<vec4f>; // [members, D]
@group(0) @binding(6) var<storage, read_write> member_text: array<vec4f>;

@group(0) @binding(1) var<storage, read> learner_forth: array<f32>; // zᵀ_k · zᴵ_i, [members, S]
@group(0) @binding(2) var<storage, read> learner_back: array<f32>; // zᴵ_k · zᵀ_i
@group(0) @binding(3) var<storage, read> reference_forth: array<f32>;
@group(0) @binding(4) var<storage, read> reference_back: array<f32>;
@group(0) @binding(6) var<storage, read_write> cond: array<f32>;
@group(0) @binding(7) var<storage, read> slots: array<u32>;

@group(0) @binding(1) var<storage, read> learner_dots: array<f32>; // zᴵ_i · zᵀ_j of the selected, [rows, b]
@group(0) @binding(2) var<storage, read> reference_dots: array<f32>;
@group(0) @binding(6) var<storage, read_write> row_sums: array<f32>; // [b]
@group(0) @binding(1) var<storage, read> row_sums_in: array<f32>;
@group(0) @binding(2) var<storage, read_write> learnability: array<f32>;

@group(0) @binding(1) var<storage, read> learner_scale: array<f32>; // t
@group(0) @binding(2) var<storage, read> learner_bias: array<f32>;
@group(0) @binding(3) var<storage, read> reference_scale: array<f32>;
@group(0) @binding(4) var<storage, read> reference_bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> logits_out: array<f32>;

// log(1 + exp(x)) = max(x, 0) + log(1 + e), e = exp(−|x|), and log(1 + e) = 2 artanh(e / (2 + e)) as its series, which
// keeps the digits of a small e where 1 + e would lose them. Its argument is at most 1/3: seven terms are enough.
fn softplus(x: f32) -> f32 {
  let e = exp(-abs(x));
  let s = e / (2.0 + e);
  let q = s * s;
  let series = 1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q / 13.0)))));
  return max(x, 0.0) + 2.0 * s * series;
}

// S_ij at gain 1 from both models' dot products; `sign` is m_ij.
fn score(learner: f32, reference: f32, sign: f32) -> f32 {
  return LEARNER_SIGN * softplus(-sign * (logits[0] * learner + logits[1])) +
    REFERENCE_SIGN * softplus(-sign * (logits[2] * reference + logits[3]));
}

@compute @workgroup_size(1)
fn pack_logits() {
  logits_out[0] = exp(learner_scale[0]);
  logits_out[1] = learner_bias[0];
  logits_out[2] = exp(reference_scale[0]);
  logits_out[3] = reference_bias[0];
}

@compute @workgroup_size(WORKGROUP)
fn start(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.count) { return; }
  var learner = 0.0;
  for (var d = i * params.learner_vectors; d < (i + 1u) * params.learner_vectors; d++) {
    learner += dot(learner_image[d], learner_text[d]);
  }
  var reference = 0.0;
  for (var d = i * params.reference_vectors; d < (i + 1u) * params.reference_vectors; d++) {
    reference += dot(reference_image[d], reference_text[d]);
  }
  let own = score(learner, reference, 1.0);
  diagonal[i] = own;
  cond_out[i] = params.gain * own;
  slots_out[i] = NOT_SELECTED;
}

// The embeddings of the members `indices[first]` … by one model, in a matrix of their own.
@compute @workgroup_size(WORKGROUP)
fn members(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = id.y * groups.x * WORKGROUP + id.x;
  if (at >= params.members * params.vectors) { return; }
  let source = indices[params.first + at / params.vectors] * params.vectors + at % params.vectors;
  member_image[at] = image[source];
  member_text[at] = text[source];
}

// The candidates' scores after the members have joined.
@compute @workgroup_size(WORKGROUP)
fn grow(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.count || slots[i] != NOT_SELECTED) { return; }
  var sum = 0.0;
  for (var k = 0u; k < params.members; k++) {
    let at = k * params.count + i;
    sum += score(learner_forth[at], reference_forth[at], -1.0) + score(learner_back[at], reference_back[at], -1.0);
  }
  cond[i] += params.gain * sum;
}

// Rows `first` … of Σ_{A×A} S at gain 1.
@compute @workgroup_size(WORKGROUP)
fn sum_selected(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.y * groups.x * WORKGROUP + id.x;
  if (row >= params.members) { return; }
  var sum = 0.0;
  for (var column = 0u; column < params.batch; column++) {
    let at = row * params.batch + column;
    sum += score(learner_dots[at], reference_dots[at], select(-1.0, 1.0, column == params.first + row));
  }
  row_sums[params.first + row] = sum;
}

var<workgroup> shares: array<f32, WORKGROUP>;

// The batch's learnability: (1/b) Σ_{A×A} S at gain 1.
@compute @workgroup_size(WORKGROUP)
fn finish(@builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  for (var row = local; row < params.batch; row += WORKGROUP) {
    sum += row_sums_in[row];
  }
  shares[local] = sum;
  workgroupBarrier();
  if (local != 0u) { return; }
  var whole = 0.0;
  for (var lane = 0u; lane < WORKGROUP; lane++) {
    whole += shares[lane];
  }
  learnability[0] = whole / f32(params.batch);
}
