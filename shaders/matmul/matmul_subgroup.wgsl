// Matrix product of one subgroup a workgroup, every inner length a multiple of 4; matmul_frame says what is computed.
//
// The LANES invocations share ROWS rows of A: each lane reads its part of them and the others get it by broadcast, so
// a value of A is read once for LANES · COLUMNS products. Each lane has its own COLUMNS columns of B. On adapters where
// a read costs much more than a multiply-add, such as software ones, this is what counts.
// LANES must be the adapter's subgroup size. The text is valid with its loops expanded only, because the lane of a
// broadcast must be constant. Rows and columns past the edge are clamped when read, dropped when written.

alias Vector = vec4f;
const WIDTH: u32 = 4u;
const LANES: u32 = 8u; // invocations of a subgroup, a power of 2
const ROWS: u32 = 32u; // outputs of one invocation; a multiple of LANES and of 4
const COLUMNS: u32 = 4u; // a multiple of 4
const COLUMN_VECTORS: u32 = COLUMNS / 4u;
const RIGHTS: u32 = 4u * COLUMN_VECTORS;
const ROW_VECTORS: u32 = ROWS / 4u;
const ROW_LOADS: u32 = ROWS / LANES; // vectors that a lane reads of A for 4 values of k
const VECTOR_LOADS: u32 = (ROW_VECTORS + LANES - 1u) / LANES; // and for one value of k when A is transposed
const ACCUMULATORS: u32 = ROWS * COLUMN_VECTORS;

// @include matmul_frame.wgsl

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let row = group.y * ROWS;
  let column = (group.x * LANES + lane) * COLUMN_VECTORS; // in vectors
  let columns = params.n / 4u;
  let a_base = group.z * params.batch_stride_a / 4u;
  let b_base = group.z * params.batch_stride_b / 4u;
  let inner = params.k / 4u;

  // Where this lane's part of A and its columns of B start, in vectors.
  var a_at: array<u32, ROW_LOADS>;
  // @unroll
  for (var i = 0u; i < ROW_LOADS; i++) {
    if (TRANSPOSE_A) {
      a_at[i] = a_base + min(row / 4u + i * LANES + lane, params.m / 4u - 1u); // the first VECTOR_LOADS are used
    } else {
      a_at[i] = a_base + min(row + i * LANES + lane, params.m - 1u) * inner;
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
  let range = inner_range(group.z) / 4u;
  for (var k = range.x; k < range.y; k++) {
    var right: array<vec4f, RIGHTS>; // [kk · COLUMN_VECTORS + j]: B's vector j at k = kk
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
    if (COLUMN_SUMS) {
      // @unroll
      for (var i = 0u; i < RIGHTS; i++) {
        column_sum[i % COLUMN_VECTORS] += right[i];
      }
    }
    if (TRANSPOSE_A) {
      // @unroll
      for (var kk = 0u; kk < 4u; kk++) {
        var part: array<vec4f, VECTOR_LOADS>; // 4 rows each, at k = kk
        // @unroll
        for (var i = 0u; i < VECTOR_LOADS; i++) {
          part[i] = vec4f(a[a_at[i] + (k * 4u + kk) * (params.m / 4u)]);
        }
        // @unroll
        for (var i = 0u; i < ROW_VECTORS; i++) {
          let left = subgroupBroadcast(part[i / LANES], i % LANES);
          // @unroll
          for (var j = 0u; j < COLUMN_VECTORS; j++) {
            // @unroll
            for (var e = 0u; e < 4u; e++) {
              sum[(i * 4u + e) * COLUMN_VECTORS + j] =
                fma(vec4f(left[e]), right[kk * COLUMN_VECTORS + j], sum[(i * 4u + e) * COLUMN_VECTORS + j]);
            }
          }
        }
      }
    } else {
      var part: array<vec4f, ROW_LOADS>; // one row each, at 4 values of k
      // @unroll
      for (var i = 0u; i < ROW_LOADS; i++) {
        part[i] = vec4f(a[a_at[i] + k]);
      }
      // @unroll
      for (var i = 0u; i < ROWS; i++) {
        let left = subgroupBroadcast(part[i / LANES], i % LANES);
        // @unroll
        for (var j = 0u; j < COLUMN_VECTORS; j++) {
          // @unroll
          for (var kk = 0u; kk < 4u; kk++) {
            sum[i * COLUMN_VECTORS + j] =
              fma(vec4f(left[kk]), right[kk * COLUMN_VECTORS + j], sum[i * COLUMN_VECTORS + j]);
          }
        }
      }
    }
  }

  // @unroll
  for (var j = 0u; j < COLUMN_VECTORS; j++) {
    if (column + j < columns) {
      if (COLUMN_SUMS && row == 0u) { store_column_sum(group.z, column + j, column_sum[j]); }
      // @unroll
      for (var i = 0u; i < ROWS; i++) {
        if (row + i < params.m) { store(group.z, row + i, column + j, sum[i * COLUMN_VECTORS + j]); }
      }
    }
  }
}
