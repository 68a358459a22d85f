// Matrix product straight from memory, every inner length a multiple of 4; matmul_frame says what is computed.
//
// Each invocation keeps ROWS × COLUMNS outputs in registers. Nothing is shared, so the text serves adapters whose
// workgroup memory is slow or small. Rows and columns past the edge are clamped when read and dropped when written.

alias Vector = vec4f;
const WIDTH: u32 = 4u;
const ROWS: u32 = 8u; // outputs of one invocation; multiples of 4
const COLUMNS: u32 = 8u;
const GROUP_ROWS: u32 = 8u; // invocations of one workgroup
const GROUP_COLUMNS: u32 = 8u;
const COLUMN_VECTORS: u32 = COLUMNS / 4u;
const ROW_VECTORS: u32 = ROWS / 4u;
const ACCUMULATORS: u32 = ROWS * COLUMN_VECTORS;

// @include matmul_frame.wgsl

@compute @workgroup_size(GROUP_COLUMNS, GROUP_ROWS)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * ROWS;
  let column = id.x * COLUMN_VECTORS; // in vectors
  let columns = params.n / 4u;
  if (row >= params.m || column >= columns) { return; }
  let a_base = id.z * params.batch_stride_a / 4u;
  let b_base = id.z * params.batch_stride_b / 4u;
  let inner = params.k / 4u;

  // Where this invocation's rows of A and columns of B start, in vectors.
  var a_at: array<u32, ROWS>;
  // @unroll
  for (var i = 0u; i < ROWS; i++) {
    if (TRANSPOSE_A) {
      a_at[i] = a_base + min(row / 4u + i, params.m / 4u - 1u); // the first ROW_VECTORS are used
    } else {
      a_at[i] = a_base + min(row + i, params.m - 1u) * inner;
    }
  }
  var b_at: array<u32, COLUMNS>;
  // @unroll
  for (var j = 0u; j < COLUMNS; j++) {
    if (TRANSPOSE_B) {
      b_at[j] = b_base + min(column * 4u + j, params.n - 1u) * inner;
    } else {
      b_at[j] = b_base + min(column + j, columns - 1u); // the first COLUMN_VECTORS are used
    }
  }

  var sum: array<vec4f, ACCUMULATORS>;
  // @unroll
  for (var i = 0u; i < ACCUMULATORS; i++) {
    sum[i] = vec4f(0.0);
  }
  var column_sum: array<vec4f, COLUMN_VECTORS>;
  // @unroll
  for (var j = 0u; j < COLUMN_VECTORS; j++) {
    column_sum[j] = vec4f(0.0);
  }
  let range = inner_range(id.z) / 4u;
  for (var k = range.x; k < range.y; k++) {
    var left: array<vec4f, ROWS>; // [i]: A's row i at 4 values of k; transposed: [kk · ROW_VECTORS + i / 4]
    var right: array<vec4f, COLUMNS>; // [kk · COLUMN_VECTORS + j]: B's vector j at k = kk
    if (TRANSPOSE_A) {
      // @unroll
      for (var kk = 0u; kk < 4u; kk++) {
        // @unroll
        for (var i = 0u; i < ROW_VECTORS; i++) {
          left[kk * ROW_VECTORS + i] = vec4f(a[a_at[i] + (k * 4u + kk) * (params.m / 4u)]);
        }
      }
    } else {
      // @unroll
      for (var i = 0u; i < ROWS; i++) {
        left[i] = vec4f(a[a_at[i] + k]);
      }
    }
    if (TRANSPOSE_B) {
      // @unroll
      for (var j = 0u; j < COLUMN_VECTORS; j++) {
        let b0 = vec4f(b[b_at[j * 4u] + k]);
        let b1 = vec4f(b[b_at[j * 4u + 1u] + k]);
        let b2 = vec4f(b[b_at[j * 4u + 2u] + k]);
        let b3 = vec4f(b[b_at[j * 4u + 3u] + k]);
        right[j] = vec4f(b0.x, b1.x, b2.x, b3.x);
        right[COLUMN_VECTORS + j] = vec4f(b0.y, b1.y, b2.y, b3.y);
        right[2u * COLUMN_VECTORS + j] = vec4f(b0.z, b1.z, b2.z, b3.z);
        right[3u * COLUMN_VECTORS + j] = vec4f(b0.w, b1.w, b2.w, b3.w);
      }
    } else {
      // @unroll
      for (var kk = 0u; kk < 4u; kk++) {
        // @unroll
        for (var j = 0u; j < COLUMN_VECTORS; j++) {
          right[kk * COLUMN_VECTORS + j] = vec4f(b[b_at[j] + (k * 4u + kk) * columns]);
        }
      }
    }
    // @unroll
    for (var kk = 0u; kk < 4u; kk++) {
      // @unroll
      for (var j = 0u; j < COLUMN_VECTORS; j++) {
        if (COLUMN_SUMS) { column_sum[j] += right[kk * COLUMN_VECTORS + j]; }
        // @unroll
        for (var i = 0u; i < ROWS; i++) {
          if (TRANSPOSE_A) {
            sum[i * COLUMN_VECTORS + j] = fma(
              vec4f(left[kk * ROW_VECTORS + i / 4u][i % 4u]),
              right[kk * COLUMN_VECTORS + j],
              sum[i * COLUMN_VECTORS + j],
            );
          } else {
            sum[i * COLUMN_VECTORS + j] =
              fma(vec4f(left[i][kk]), right[kk * COLUMN_VECTORS + j], sum[i * COLUMN_VECTORS + j]);
          }
        }
      }
    }
  }

  // @unroll
  for (var j = 0u; j < COLUMN_VECTORS; j++) {
    if (column + j < columns) {
      if (COLUMN_SUMS && row == 0u) { store_column_sum(id.z, column + j, column_sum[j]); }
      // @unroll
      for (var i = 0u; i < ROWS; i++) {
        if (row + i < params.m) { store(id.z, row + i, column + j, sum[i * COLUMN_VECTORS + j]); }
      }
    }
  }
}
