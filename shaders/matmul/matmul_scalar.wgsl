// Matrix product for lengths that are no multiple of 4; matmul_frame says what is computed.
//
// Each invocation keeps ROWS × COLUMNS outputs in registers and reads the operands straight from memory.
// Rows and columns past the edge are clamped when read and dropped when written.

alias Vector = f32;
const WIDTH: u32 = 1u;
const ROWS: u32 = 4u; // outputs of one invocation
const COLUMNS: u32 = 4u;
const GROUP_ROWS: u32 = 8u; // invocations of one workgroup
const GROUP_COLUMNS: u32 = 8u;
const ACCUMULATORS: u32 = ROWS * COLUMNS;

// @include matmul_frame.wgsl

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
  var column_sum: array<f32, COLUMNS>;
  // @unroll
  for (var j = 0u; j < COLUMNS; j++) {
    b_at[j] = b_base + min(column + j, params.n - 1u) * select(1u, params.k, TRANSPOSE_B);
    column_sum[j] = 0.0;
  }
  var sum: array<f32, ACCUMULATORS>;
  // @unroll
  for (var i = 0u; i < ACCUMULATORS; i++) {
    sum[i] = 0.0;
  }
  let range = inner_range(id.z);
  for (var k = range.x; k < range.y; k++) {
    var right: array<f32, COLUMNS>;
    // @unroll
    for (var j = 0u; j < COLUMNS; j++) {
      right[j] = f32(b[b_at[j] + k * b_step]);
      if (COLUMN_SUMS) { column_sum[j] += right[j]; }
    }
    // @unroll
    for (var i = 0u; i < ROWS; i++) {
      let left = f32(a[a_at[i] + k * a_step]);
      // @unroll
      for (var j = 0u; j < COLUMNS; j++) {
        sum[i * COLUMNS + j] = fma(left, right[j], sum[i * COLUMNS + j]);
      }
    }
  }

  // @unroll
  for (var j = 0u; j < COLUMNS; j++) {
    if (column + j < params.n) {
      if (COLUMN_SUMS && row == 0u) { store_column_sum(id.z, column + j, column_sum[j]); }
      // @unroll
      for (var i = 0u; i < ROWS; i++) {
        if (row + i < params.m) { store(id.z, row + i, column + j, sum[i * COLUMNS + j]); }
      }
    }
  }
}
