// What all matrix-product kernels share: C = epilogue(op(A) · op(B)), batched.
//
// Shapes (row-major): op(A) [M, K], op(B) [K, N], C [M, N]; a transposed operand is stored as [K, M] or [N, K].
// Epilogue, in this order, each part behind its own constant: · scale, + bias, GELU, · GELU′(saved), + addend.
// GELU is x · gate(x) in one of three forms (Hendrycks & Gimpel, arXiv:1606.08415), see GATE.
//
// The file that includes this one says what a Vector is (f32 or vec4f) and how many columns it holds (WIDTH).
// A, B, C and what GELU is applied to may lie in memory in half precision; arithmetic and sums are f32.
// Every output is summed by one invocation in order of k (or of the SPLITs of k, added by sum_rows): deterministic.

const TRANSPOSE_A: bool = false;
const TRANSPOSE_B: bool = false;
const SCALE: bool = false; // multiply by `scale`
const BIAS: bool = false; // add bias[column]
const GELU: bool = false; // apply GELU
const SAVE: bool = false; // store in `saved_out` what GELU is applied to
const GELU_BACKWARD: bool = false; // multiply by GELU′(saved)
const GATE: u32 = 0u; // 0: the tanh approximation (SigLIP), 1: exact, Φ(x) by erf (ViT), 2: σ(1.702 x) (CLIP)
const ADDEND: bool = false; // add addend[row mod addend_rows, column]
// Also sum op(B) over k, plus `bias`: when A · B is a weight's gradient, that is the bias's. BIAS then belongs to it.
const COLUMN_SUMS: bool = false;
// Layer z of the grid sums `share` values of k and stores an unfinished product, [z, M, N].
const SPLIT: bool = false;

// How the elements of a, b, c and saved lie in memory.
alias StoredA = Vector;
alias StoredB = Vector;
alias StoredC = Vector;
alias StoredSaved = Vector;
alias StoredSavedOut = Vector;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  share: u32, // values of k that one invocation sums; a multiple of 4 when SPLIT
  addend_rows: u32,
  batch_stride_a: u32, // elements from one matrix of the batch to the next
  batch_stride_b: u32,
  batch_stride_c: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<StoredA>;
@group(0) @binding(2) var<storage, read> b: array<StoredB>;
@group(0) @binding(3) var<storage, read> bias: array<Vector>;
@group(0) @binding(4) var<storage, read> addend: array<Vector>;
@group(0) @binding(5) var<storage, read> saved: array<StoredSaved>;
@group(0) @binding(6) var<storage, read_write> c: array<StoredC>;
@group(0) @binding(7) var<storage, read_write> saved_out: array<StoredSavedOut>;
@group(0) @binding(8) var<storage, read_write> column_sums: array<Vector>; // [N], or [z, N] when SPLIT

// The first value of k that layer z of the grid sums, and the one after its last.
fn inner_range(z: u32) -> vec2u {
  if (SPLIT) { return vec2u(z * params.share, min((z + 1u) * params.share, params.k)); }
  return vec2u(0u, params.k);
}

const SLOPE: f32 = 0.7978845608028654; // √(2/π)
const CUBIC: f32 = 0.044715;
const QUICK: f32 = 1.702;
const DENSITY: f32 = 0.3989422804014327; // 1 / √(2π)

// ½ (1 + tanh u) as 1 / (1 + exp(−2u)), which keeps its digits where tanh is near −1. Bounded, so that exp is finite.
fn gate(x: Vector) -> Vector {
  if (GATE == 1u) { return normal_share(x); }
  if (GATE == 2u) { return Vector(1.0) / (Vector(1.0) + exp(clamp(-QUICK * x, Vector(-80.0), Vector(80.0)))); }
  return Vector(1.0) / (Vector(1.0) + exp(-2.0 * clamp(SLOPE * (x + CUBIC * x * x * x), Vector(-40.0), Vector(40.0))));
}

// Φ(x) = ½ erfc(−x / √2) by a Chebyshev fit with a relative error below 1.2e-7 (Press et al., Numerical Recipes, 6.2).
fn normal_share(x: Vector) -> Vector {
  let z = min(abs(x) * 0.7071067811865476, Vector(9.0));
  let t = Vector(1.0) / (Vector(1.0) + 0.5 * z);
  var fit = Vector(0.17087277);
  fit = -0.82215223 + t * fit;
  fit = 1.48851587 + t * fit;
  fit = -1.13520398 + t * fit;
  fit = 0.27886807 + t * fit;
  fit = -0.18628806 + t * fit;
  fit = 0.09678418 + t * fit;
  fit = 0.37409196 + t * fit;
  fit = 1.00002368 + t * fit;
  let tail = 0.5 * t * exp(-z * z - 1.26551223 + t * fit);
  return select(tail, Vector(1.0) - tail, x > Vector(0.0));
}

fn gelu_slope(x: Vector) -> Vector {
  let share = gate(x); // and 1 − share is gate(−x)
  if (GATE == 1u) { return share + x * DENSITY * exp(-0.5 * min(x * x, Vector(160.0))); }
  if (GATE == 2u) { return share + QUICK * x * share * gate(-x); }
  return share + 2.0 * SLOPE * x * share * gate(-x) * (Vector(1.0) + 3.0 * CUBIC * x * x);
}

// Finishes WIDTH neighbouring outputs of a row that is inside the matrix. `column` counts vectors.
fn store(z: u32, row: u32, column: u32, sum: Vector) {
  let columns = params.n / WIDTH;
  let at = z * params.batch_stride_c / WIDTH + row * columns + column;
  var value = sum;
  if (SCALE) { value *= params.scale; }
  if (BIAS && !COLUMN_SUMS) { value += bias[column]; }
  if (SAVE) { saved_out[at] = StoredSavedOut(value); }
  if (GELU) { value *= gate(value); }
  if (GELU_BACKWARD) { value *= gelu_slope(Vector(saved[at])); }
  if (ADDEND) { value += addend[row % params.addend_rows * columns + column]; }
  c[at] = StoredC(value);
}

fn store_column_sum(z: u32, column: u32, sum: Vector) {
  var value = sum;
  if (BIAS) { value += bias[column]; }
  column_sums[select(0u, z * (params.n / WIDTH), SPLIT) + column] = value;
}
