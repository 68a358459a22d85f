// What scoring has in common under both losses; a part of sigmoid_scores and softmax_scores.
//
// S super-batch, b sub-batch, A the examples chosen so far, in N parts. A score is
// LEARNER_SIGN · ℓ(learner) + REFERENCE_SIGN · ℓ(reference); a model whose sign is 0 is neither read nor computed.
// Never a [S, S] matrix: for each run of new members the matrix products of their embeddings with all candidates' are
// taken anew, [members, S], and `add` sums what they come to.
// One invocation a candidate (or a row), neighbours read neighbouring words, all sums in order: deterministic.

const LEARNER_SIGN: f32 = 1.0; // learnability: +1 and −1; easy reference: 0 and −1; hard learner: +1 and 0
const REFERENCE_SIGN: f32 = -1.0;
const ACCUMULATE: bool = false; // `add` goes on from what is there
const EVERY: bool = false; // `add` also looks at examples that are chosen, which may be dropped later
const WORKGROUP: u32 = 64u;
const NOT_SELECTED: u32 = 0xffffffffu;

struct Params {
  count: u32, // S
  batch: u32, // b
  vectors: u32, // D / 4 of the model (members)
  learner_vectors: u32, // D / 4 of each (start); 0 for a model that does not count
  reference_vectors: u32,
  first: u32, // where the members start in `indices`, or the rows in the batch
  members: u32, // how many there are
  parts: u32, // N (combine)
  dropped: u32, // the part that is left out; N for none
  stride: u32, // elements from one part's totals to the next's
  gain: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> learner_image: array<vec4f>; // [S, D]
@group(0) @binding(2) var<storage, read> learner_text: array<vec4f>;
@group(0) @binding(3) var<storage, read> reference_image: array<vec4f>;
@group(0) @binding(4) var<storage, read> reference_text: array<vec4f>;
@group(0) @binding(5) var<storage, read> logits: array<f32>; // α, β of the learner, then of the reference
@group(0) @binding(6) var<storage, read_write> cond_out: array<f32>; // [S], with the gain
@group(0) @binding(7) var<storage, read_write> diagonal_out: array<f32>; // [S], each example's own score at gain 1

@group(0) @binding(1) var<storage, read> image: array<vec4f>; // one model's, [S, D]
@group(0) @binding(2) var<storage, read> text: array<vec4f>;
@group(0) @binding(3) var<storage, read> indices: array<u32>;
@group(0) @binding(4) var<storage, read_write> member_image: array<vec4f>; // [members, D]
@group(0) @binding(6) var<storage, read_write> member_text: array<vec4f>;

@group(0) @binding(1) var<storage, read> learner_forth: array<f32>; // zᵀ_k · zᴵ_i, [members, S], or [rows, b]
@group(0) @binding(2) var<storage, read> learner_back: array<f32>; // zᴵ_k · zᵀ_i
@group(0) @binding(3) var<storage, read> reference_forth: array<f32>;
@group(0) @binding(4) var<storage, read> reference_back: array<f32>;
@group(0) @binding(7) var<storage, read> slots: array<u32>; // [S]: place in `indices`, or NOT_SELECTED

@group(0) @binding(1) var<storage, read> diagonal: array<f32>;
@group(0) @binding(7) var<storage, read_write> slots_out: array<u32>;

@group(0) @binding(6) var<storage, read_write> row_sums: array<f32>; // [b]
@group(0) @binding(1) var<storage, read> row_sums_in: array<f32>;
@group(0) @binding(2) var<storage, read_write> batch_score: array<f32>;

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

@compute @workgroup_size(1)
fn pack_logits() {
  logits_out[0] = exp(learner_scale[0]);
  logits_out[1] = learner_bias[0];
  logits_out[2] = exp(reference_scale[0]);
  logits_out[3] = reference_bias[0];
}

// Every candidate's own score, which is its conditional score as long as nothing is chosen.
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
  let own = own_score(learner, reference);
  diagonal_out[i] = own;
  cond_out[i] = params.gain * own;
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

var<workgroup> shares: array<f32, WORKGROUP>;

// The batch's score, the mean of its rows' at gain 1.
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
  batch_score[0] = whole / f32(params.batch);
}
