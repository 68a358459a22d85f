// AdamW with decoupled weight decay over a flat range of parameters, and the global-norm clip that precedes it.
// Source: Loshchilov & Hutter, arXiv:1711.05101, in PyTorch's form:
//   m ← β₁ m + (1 − β₁) c g,  v ← β₂ v + (1 − β₂) (c g)²,
//   p ← p (1 − lr · decay) − lr · m̂ / (√v̂ + ε),  c = min(1, limit / (‖g‖ + 1e-6))
//
// `squares` writes one partial sum of squares per workgroup, `clip` adds them in order and writes [‖g‖, c, finite].
// When the norm is not finite, `update` leaves everything as it was. One invocation updates four
// parameters. Deterministic.

const WORKGROUP: u32 = 64u;
const PER_LANE: u32 = 4u; // vectors that one invocation of `squares` adds

struct Params {
  size: u32, // vectors of 4 elements (squares, update) or partial sums (clip)
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  decay: f32,
  limit: f32, // largest global norm
  rate: f32, // factor on the learning rate of this range
}

// Written by the host before every step.
struct Step {
  index: u32,
  learning_rate: f32,
  correction1: f32, // 1 − β₁ᵗ
  correction2: f32, // 1 − β₂ᵗ
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(3) var<storage, read> clip_state: array<f32>; // [‖g‖, c, 1 when finite]
@group(0) @binding(4) var<storage, read_write> parameter: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> first_moment: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> second_moment: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial_out: array<f32>;
@group(0) @binding(1) var<storage, read> partial_sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> clip_out: array<f32>;

var<workgroup> shares: array<f32, WORKGROUP>;

fn total(local: u32, value: f32) -> f32 {
  shares[local] = value;
  workgroupBarrier();
  var sum = 0.0;
  for (var lane = 0u; lane < WORKGROUP; lane++) {
    sum += shares[lane];
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn squares(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = group.y * groups.x + group.x;
  var sum = 0.0;
  for (var i = 0u; i < PER_LANE; i++) {
    let at = (index * PER_LANE + i) * WORKGROUP + local;
    if (at < params.size) { sum += dot(gradient[at], gradient[at]); }
  }
  let whole = total(local, sum);
  if (local == 0u && index < arrayLength(&partial_out)) { partial_out[index] = whole; }
}

@compute @workgroup_size(WORKGROUP)
fn clip(@builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  for (var i = local; i < params.size; i += WORKGROUP) {
    sum += partial_sums[i];
  }
  let norm = sqrt(total(local, sum));
  if (local != 0u) { return; }
  // WGSL may assume that there is no NaN: look at the exponent's bits instead.
  let finite = (bitcast<u32>(norm) & 0x7f800000u) != 0x7f800000u;
  clip_out[0] = norm;
  clip_out[1] = min(1.0, params.limit / (norm + 1e-6));
  clip_out[2] = select(0.0, 1.0, finite);
}

@compute @workgroup_size(WORKGROUP)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size || clip_state[2] == 0.0) { return; }
  let g = gradient[i] * clip_state[1];
  let m = params.beta1 * first_moment[i] + (1.0 - params.beta1) * g;
  let v = params.beta2 * second_moment[i] + (1.0 - params.beta2) * g * g;
  first_moment[i] = m;
  second_moment[i] = v;
  let rate = step.learning_rate * params.rate;
  let p = parameter[i] * (1.0 - rate * params.decay);
  parameter[i] = p - rate * (m / step.correction1) / (sqrt(v / step.correction2) + vec4f(params.epsilon));
}
