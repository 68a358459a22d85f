// Matrix product, C = op(A) · op(B) + bias + addend, batched; any lengths.
//
// Shapes (row-major): op(A) [M, K], op(B) [K, N], C [M, N]; a transposed operand is stored as [K, M] or [N, K].
// The scalar sibling of matmul_vec4, for lengths that are no multiple of 4. Each invocation keeps ROWS × COLUMNS
// outputs in registers. Deterministic: one invocation sums one output in order of k.

const TRANSPOSE_A: bool = false;
const TRANSPOSE_B: bool = false;
const BIAS: bool = false; // add bias[column]
const ADDEND: bool = false; // add addend[row mod addend_rows, column]
const ROWS: u32 = 4u; // outputs of one invocation
const COLUMNS: u32 = 4u;
const GROUP_ROWS: u32 = 8u; // invocations of one workgroup
const GROUP_COLUMNS: u32 = 8u;
const ACCUMULATORS: u32 = ROWS * COLUMNS;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  addend_rows: u32,
  batch_stride_a: u32, // elements from one matrix of the batch to the next
  batch_stride_b: u32,
  batch_stride_c: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> addend: array<f32>;
@group(0) @binding(5) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(GROUP_COLUMNS, GROUP_ROWS)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * ROWS;
  let column = id.x * COLUMNS;
  if (row >= params.m || column >= params.n) { return; }
  let a_base = id.z * params.batch_stride_a;
  let b_base = id.z * params.batch_stride_b;
  let a_step = select(1u, params.m, TRANSPOSE_A); // from one k to the next
  let b_step = select(params.n, 1u, TRANSPOSE_B);

  var a_at: array<u32, ROWS>;
  // @unroll
  for (var i = 0u; i < ROWS; i++) {
    a_at[i] = a_base + min(row + i, params.m - 1u) * select(params.k, 1u, TRANSPOSE_A);
  }
  var b_at: array<u32, COLUMNS>;
  // @unroll
  for (var j = 0u; j < COLUMNS; j++) {
    b_at[j] = b_base + min(column + j, params.n - 1u) * select(1u, params.k, TRANSPOSE_B);
  }
  var sum: array<f32, ACCUMULATORS>;
  // @unroll
  for (var i = 0u; i < ACCUMULATORS; i++) {
    sum[i] = 0.0;
  }
  for (var k = 0u; k < params.k; k++) {
    // @unroll
    for (var i = 0u; i < ROWS; i++) {
      let left = a[a_at[i] + k * a_step];
      // @unroll
      for (var j = 0u; j < COLUMNS; j++) {
        sum[i * COLUMNS + j] += left * b[b_at[j] + k * b_step];
      }
    }
  }

  // @unroll
  for (var i = 0u; i < ROWS; i++) {
    if (row + i < params.m) {
      // @unroll
      for (var j = 0u; j < COLUMNS; j++) {
        if (column + j < params.n) {
          var value = sum[i * COLUMNS + j];
          if (BIAS) { value += bias[column + j]; }
          if (ADDEND) { value += addend[((row + i) % params.addend_rows) * params.n + column + j]; }
          c[id.z * params.batch_stride_c + (row + i) * params.n + column + j] = value;
        }
      }
    }
  }
}
