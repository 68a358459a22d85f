// JEST's scores: how much each candidate would add to a batch, kept up while the batch grows chunk by chunk.
// Source: Evans et al., arXiv:2406.17711, section 3 and appendix A.
//
// S super-batch, b sub-batch, A the examples chosen so far. With ℓ_ij = −log σ(m_ij (α zᴵ_i·zᵀ_j + β)), m = 2I − 1:
//   S_ij = gain · (LEARNER_SIGN · ℓ_ij(learner) + REFERENCE_SIGN · ℓ_ij(reference))
//   cond_i = S_ii + Σ_{k∈A} (S_ik + S_ki)
// which is what Σ_{A×A} S grows by when i joins A. Never a [S, S] matrix: `grow` recomputes the products of each new
// member with every candidate from the embeddings, [S, D], in vectors of four. One invocation a candidate, all sums in
// order: deterministic.

const LEARNER_SIGN: f32 = 1.0; // learnability: +1 and −1; easy reference: 0 and −1; hard learner: +1 and 0
const REFERENCE_SIGN: f32 = -1.0;
const WORKGROUP: u32 = 64u;
const BLOCK: u32 = 4u; // members whose products are computed together
const NOT_SELECTED: u32 = 0xffffffffu;

struct Params {
  count: u32, // S
  batch: u32, // b
  learner_vectors: u32, // D / 4 of the learner
  reference_vectors: u32, // D / 4 of the reference
  first: u32, // where the new members start in `indices`
  members: u32, // how many there are
  gain: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> learner_image: array<vec4f>;
@group(0) @binding(2) var<storage, read> learner_text: array<vec4f>;
@group(0) @binding(3) var<storage, read> reference_image: array<vec4f>;
@group(0) @binding(4) var<storage, read> reference_text: array<vec4f>;
@group(0) @binding(5) var<storage, read> logits: array<f32>; // α, β of the learner, then of the reference
@group(0) @binding(6) var<storage, read_write> cond_out: array<f32>;
@group(0) @binding(7) var<storage, read_write> diagonal: array<f32>; // S_ii at gain 1
@group(0) @binding(8) var<storage, read_write> slots_out: array<u32>;
@group(0) @binding(6) var<storage, read_write> cond: array<f32>;
@group(0) @binding(7) var<storage, read> indices: array<u32>;
@group(0) @binding(8) var<storage, read> slots: array<u32>;
@group(0) @binding(8) var<storage, read_write> row_sums: array<f32>;
@group(0) @binding(1) var<storage, read> learner_scale: array<f32>; // t
@group(0) @binding(2) var<storage, read> learner_bias: array<f32>;
@group(0) @binding(3) var<storage, read> reference_scale: array<f32>;
@group(0) @binding(4) var<storage, read> reference_bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> logits_out: array<f32>;
@group(0) @binding(1) var<storage, read> row_sums_in: array<f32>;
@group(0) @binding(2) var<storage, read_write> learnability: array<f32>;

// log(1 + exp(x)) without overflow. For small e, 1 + e loses e's digits and log must not see the sum.
fn softplus(x: f32) -> f32 {
  let e = exp(-abs(x));
  return max(x, 0.0) + select(log(1.0 + e), e * (1.0 - e * (0.5 - e / 3.0)), e < 1e-2);
}

@compute @workgroup_size(1)
fn pack_logits() {
  logits_out[0] = exp(learner_scale[0]);
  logits_out[1] = learner_bias[0];
  logits_out[2] = exp(reference_scale[0]);
  logits_out[3] = reference_bias[0];
}

// S_ii at gain 1.
fn own_score(i: u32) -> f32 {
  var learner = 0.0;
  for (var d = i * params.learner_vectors; d < (i + 1u) * params.learner_vectors; d++) {
    learner += dot(learner_image[d], learner_text[d]);
  }
  var reference = 0.0;
  for (var d = i * params.reference_vectors; d < (i + 1u) * params.reference_vectors; d++) {
    reference += dot(reference_image[d], reference_text[d]);
  }
  return LEARNER_SIGN * softplus(-(logits[0] * learner + logits[1])) +
    REFERENCE_SIGN * softplus(-(logits[2] * reference + logits[3]));
}

@compute @workgroup_size(WORKGROUP)
fn start(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.count) { return; }
  let score = own_score(i);
  diagonal[i] = score;
  cond_out[i] = params.gain * score;
  slots_out[i] = NOT_SELECTED;
}

// Σ over the members `indices[first]` … of S_ik + S_ki at gain 1; a member that is i itself counts S_ii once.
fn interaction(i: u32) -> f32 {
  var sum = 0.0;
  for (var at = 0u; at < params.members; at += BLOCK) {
    var member: array<u32, BLOCK>;
    var forth: array<f32, BLOCK>; // zᴵ_i · zᵀ_k
    var back: array<f32, BLOCK>; // zᴵ_k · zᵀ_i
    // @unroll
    for (var k = 0u; k < BLOCK; k++) {
      member[k] = indices[params.first + min(at + k, params.members - 1u)];
      forth[k] = 0.0;
      back[k] = 0.0;
    }
    for (var d = 0u; d < params.learner_vectors; d++) {
      let image = learner_image[i * params.learner_vectors + d];
      let text = learner_text[i * params.learner_vectors + d];
      // @unroll
      for (var k = 0u; k < BLOCK; k++) {
        forth[k] += dot(image, learner_text[member[k] * params.learner_vectors + d]);
        back[k] += dot(text, learner_image[member[k] * params.learner_vectors + d]);
      }
    }
    // @unroll
    for (var k = 0u; k < BLOCK; k++) {
      if (at + k < params.members) {
        if (member[k] == i) {
          sum += LEARNER_SIGN * softplus(-(logits[0] * forth[k] + logits[1]));
        } else {
          sum += LEARNER_SIGN * (softplus(logits[0] * forth[k] + logits[1]) + softplus(logits[0] * back[k] + logits[1]));
        }
      }
      forth[k] = 0.0;
      back[k] = 0.0;
    }
    for (var d = 0u; d < params.reference_vectors; d++) {
      let image = reference_image[i * params.reference_vectors + d];
      let text = reference_text[i * params.reference_vectors + d];
      // @unroll
      for (var k = 0u; k < BLOCK; k++) {
        forth[k] += dot(image, reference_text[member[k] * params.reference_vectors + d]);
        back[k] += dot(text, reference_image[member[k] * params.reference_vectors + d]);
      }
    }
    // @unroll
    for (var k = 0u; k < BLOCK; k++) {
      if (at + k < params.members) {
        if (member[k] == i) {
          sum += REFERENCE_SIGN * softplus(-(logits[2] * forth[k] + logits[3]));
        } else {
          sum += REFERENCE_SIGN *
            (softplus(logits[2] * forth[k] + logits[3]) + softplus(logits[2] * back[k] + logits[3]));
        }
      }
    }
  }
  return sum;
}

// The candidates' scores after the members `first` … `first + members` − 1 have joined.
@compute @workgroup_size(WORKGROUP)
fn grow(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.count || slots[i] != NOT_SELECTED) { return; }
  cond[i] += params.gain * interaction(i);
}

// Row a of Σ_{A×A} S at gain 1, halved off the diagonal, because `interaction` counts S_ik and S_ki.
@compute @workgroup_size(WORKGROUP)
fn sum_selected(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let a = id.y * groups.x * WORKGROUP + id.x;
  if (a >= params.batch) { return; }
  let i = indices[a];
  let own = own_score(i);
  row_sums[a] = own + 0.5 * (interaction(i) - own);
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
