// GELU, tanh approximation: y = x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))
// Source: Hendrycks & Gimpel, arXiv:1606.08415; the variant that SigLIP uses.
// One invocation computes one element. Deterministic.

// The backward pass adds to `addend` instead of starting from zero.
const ACCUMULATE: bool = false;
const WORKGROUP: u32 = 64u;

struct Params {
  size: u32, // number of elements
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> addend: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

const SLOPE: f32 = 0.7978845608028654; // √(2/π)
const CUBIC: f32 = 0.044715;

// ½ (1 + tanh u) as 1 / (1 + exp(−2u)), which keeps its digits where tanh is near −1. Bounded, so that exp is finite.
fn gate(v: f32) -> f32 {
  return 1.0 / (1.0 + exp(-2.0 * clamp(SLOPE * (v + CUBIC * v * v * v), -40.0, 40.0)));
}

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let v = x[i];
  y[i] = v * gate(v);
}

@compute @workgroup_size(WORKGROUP)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let v = x[i];
  let share = gate(v); // and 1 − share is gate(−v)
  let slope = share + 2.0 * v * share * gate(-v) * SLOPE * (1.0 + 3.0 * CUBIC * v * v);
  var gradient = dy[i] * slope;
  if (ACCUMULATE) { gradient += addend[i]; }
  dx[i] = gradient;
}
