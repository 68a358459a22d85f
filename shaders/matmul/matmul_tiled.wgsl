// Matrix product through workgroup memory, every inner length a multiple of 4; matmul_frame says what is computed.
//
// A workgroup of GROUP_ROWS × GROUP_COLUMNS invocations computes a tile of TILE_M × TILE_N outputs, TILE_K values of k at
// a time: both operands' parts go into workgroup memory with k outermost, whatever their layout, then each invocation
// adds to its ROWS × COLUMNS outputs. Its vectors of rows and columns are spread over the tile, so that neighbouring
// invocations read neighbouring words. Positions past the edges are clamped, or zero along k, and dropped when written.
//
// When PACKED, the tiles lie in half precision, and so do the products and their sums over one tile of k, which adapters
// with packed arithmetic compute two at a time; what the tiles come to is added in f32.

alias Vector = vec4f;
const WIDTH: u32 = 4u;
const ROWS: u32 = 8u; // outputs of one invocation; multiples of 4
const COLUMNS: u32 = 8u;
const GROUP_ROWS: u32 = 8u; // invocations of one workgroup
const GROUP_COLUMNS: u32 = 8u;
const TILE_K: u32 = 16u; // a multiple of 4
const PACKED: bool = false; // together with the half-precision form of `Packed`
const COLUMN_VECTORS: u32 = COLUMNS / 4u;
const ROW_VECTORS: u32 = ROWS / 4u;
const ACCUMULATORS: u32 = ROWS * COLUMN_VECTORS;
const INVOCATIONS: u32 = GROUP_ROWS * GROUP_COLUMNS;
const TILE_ROWS: u32 = GROUP_ROWS * ROW_VECTORS; // TILE_M in vectors
const TILE_COLUMNS: u32 = GROUP_COLUMNS * COLUMN_VECTORS; // TILE_N in vectors
const A_VECTORS: u32 = TILE_ROWS * TILE_K;
const B_VECTORS: u32 = TILE_COLUMNS * TILE_K;
const A_BLOCKS: u32 = A_VECTORS / 4u; // of 4 × 4
const B_BLOCKS: u32 = B_VECTORS / 4u;
// Turns in which all invocations together read a part of A or B, by vectors or by blocks.
const A_TURNS: u32 = (A_VECTORS + INVOCATIONS - 1u) / INVOCATIONS;
const B_TURNS: u32 = (B_VECTORS + INVOCATIONS - 1u) / INVOCATIONS;
const A_BLOCK_TURNS: u32 = (A_BLOCKS + INVOCATIONS - 1u) / INVOCATIONS;
const B_BLOCK_TURNS: u32 = (B_BLOCKS + INVOCATIONS - 1u) / INVOCATIONS;

// What the tiles hold.
alias Packed = vec4f;

// @include matmul_frame.wgsl

// [k][vector of an invocation][invocation]: in the inner loop only the last index is known at run time, and it is always
// the same, so that the clamp that guards it is computed once.
var<workgroup> tile_a: array<array<array<Packed, GROUP_ROWS>, ROW_VECTORS>, TILE_K>;
var<workgroup> tile_b: array<array<array<Packed, GROUP_COLUMNS>, COLUMN_VECTORS>, TILE_K>;

// Vector `at` of row `line` of a matrix whose rows hold `width` vectors; zero past the end of k.
fn from_a(base: u32, line: u32, at: u32, width: u32, inside: bool) -> Packed {
  if (inside) { return Packed(a[base + line * width + at]); }
  return Packed(0.0);
}

fn from_b(base: u32, line: u32, at: u32, width: u32, inside: bool) -> Packed {
  if (inside) { return Packed(b[base + line * width + at]); }
  return Packed(0.0);
}

@compute @workgroup_size(INVOCATIONS)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let my_row = local / GROUP_COLUMNS;
  let my_column = local % GROUP_COLUMNS;
  let first_row = group.y * TILE_ROWS; // in vectors
  let first_column = group.x * TILE_COLUMNS; // in vectors
  let columns = params.n / 4u;
  let a_base = group.z * params.batch_stride_a / 4u;
  let b_base = group.z * params.batch_stride_b / 4u;
  let range = inner_range(group.z);

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
  for (var k = range.x; k < range.y; k += TILE_K) {
    if (TRANSPOSE_A) {
      // @unroll
      for (var turn = 0u; turn < A_TURNS; turn++) {
        let at = turn * INVOCATIONS + local;
        if (at < A_VECTORS) {
          let kk = at / TILE_ROWS;
          let place = at % TILE_ROWS;
          let source = min(first_row + place, params.m / 4u - 1u);
          tile_a[kk][place / GROUP_ROWS][place % GROUP_ROWS] =
            from_a(a_base, k + kk, source, params.m / 4u, k + kk < range.y);
        }
      }
    } else {
      // Blocks of 4 × 4, turned in registers.
      // @unroll
      for (var turn = 0u; turn < A_BLOCK_TURNS; turn++) {
        let at = turn * INVOCATIONS + local;
        if (at < A_BLOCKS) {
          let place = at % TILE_ROWS;
          let kk = at / TILE_ROWS * 4u;
          let line = (first_row + place) * 4u;
          let last = params.m - 1u;
          let inside = k + kk < range.y;
          let r0 = from_a(a_base, min(line, last), (k + kk) / 4u, params.k / 4u, inside);
          let r1 = from_a(a_base, min(line + 1u, last), (k + kk) / 4u, params.k / 4u, inside);
          let r2 = from_a(a_base, min(line + 2u, last), (k + kk) / 4u, params.k / 4u, inside);
          let r3 = from_a(a_base, min(line + 3u, last), (k + kk) / 4u, params.k / 4u, inside);
          let i = place / GROUP_ROWS;
          let j = place % GROUP_ROWS;
          tile_a[kk][i][j] = Packed(r0.x, r1.x, r2.x, r3.x);
          tile_a[kk + 1u][i][j] = Packed(r0.y, r1.y, r2.y, r3.y);
          tile_a[kk + 2u][i][j] = Packed(r0.z, r1.z, r2.z, r3.z);
          tile_a[kk + 3u][i][j] = Packed(r0.w, r1.w, r2.w, r3.w);
        }
      }
    }
    if (TRANSPOSE_B) {
      // @unroll
      for (var turn = 0u; turn < B_BLOCK_TURNS; turn++) {
        let at = turn * INVOCATIONS + local;
        if (at < B_BLOCKS) {
          let place = at % TILE_COLUMNS;
          let kk = at / TILE_COLUMNS * 4u;
          let line = (first_column + place) * 4u;
          let last = params.n - 1u;
          let inside = k + kk < range.y;
          let r0 = from_b(b_base, min(line, last), (k + kk) / 4u, params.k / 4u, inside);
          let r1 = from_b(b_base, min(line + 1u, last), (k + kk) / 4u, params.k / 4u, inside);
          let r2 = from_b(b_base, min(line + 2u, last), (k + kk) / 4u, params.k / 4u, inside);
          let r3 = from_b(b_base, min(line + 3u, last), (k + kk) / 4u, params.k / 4u, inside);
          let i = place / GROUP_COLUMNS;
          let j = place % GROUP_COLUMNS;
          tile_b[kk][i][j] = Packed(r0.x, r1.x, r2.x, r3.x);
          tile_b[kk + 1u][i][j] = Packed(r0.y, r1.y, r2.y, r3.y);
          tile_b[kk + 2u][i][j] = Packed(r0.z, r1.z, r2.z, r3.z);
          tile_b[kk + 3u][i][j] = Packed(r0.w, r1.w, r2.w, r3.w);
        }
      }
    } else {
      // @unroll
      for (var turn = 0u; turn < B_TURNS; turn++) {
        let at = turn * INVOCATIONS + local;
        if (at < B_VECTORS) {
          let kk = at / TILE_COLUMNS;
          let place = at % TILE_COLUMNS;
          let source = min(first_column + place, columns - 1u);
          tile_b[kk][place / GROUP_COLUMNS][place % GROUP_COLUMNS] =
            from_b(b_base, k + kk, source, columns, k + kk < range.y);
        }
      }
    }
    workgroupBarrier();
    if (PACKED) {
      var part: array<Packed, ACCUMULATORS>; // the sums over this tile of k
      // @unroll
      for (var i = 0u; i < ACCUMULATORS; i++) {
        part[i] = Packed(0.0);
      }
      // @unroll
      for (var kk = 0u; kk < TILE_K; kk++) {
        var left: array<Packed, ROW_VECTORS>;
        // @unroll
        for (var i = 0u; i < ROW_VECTORS; i++) {
          left[i] = tile_a[kk][i][my_row];
        }
        // @unroll
        for (var j = 0u; j < COLUMN_VECTORS; j++) {
          let right = tile_b[kk][j][my_column];
          // @unroll
          for (var i = 0u; i < ROWS; i++) {
            part[i * COLUMN_VECTORS + j] = fma(Packed(left[i / 4u][i % 4u]), right, part[i * COLUMN_VECTORS + j]);
          }
        }
      }
      // @unroll
      for (var i = 0u; i < ACCUMULATORS; i++) {
        sum[i] += vec4f(part[i]);
      }
    } else {
      // @unroll
      for (var kk = 0u; kk < TILE_K; kk++) {
        var left: array<vec4f, ROW_VECTORS>;
        // @unroll
        for (var i = 0u; i < ROW_VECTORS; i++) {
          left[i] = vec4f(tile_a[kk][i][my_row]);
        }
        // @unroll
        for (var j = 0u; j < COLUMN_VECTORS; j++) {
          let right = vec4f(tile_b[kk][j][my_column]);
          if (COLUMN_SUMS) { column_sum[j] += right; }
          // @unroll
          for (var i = 0u; i < ROWS; i++) {
            sum[i * COLUMN_VECTORS + j] = fma(vec4f(left[i / 4u][i % 4u]), right, sum[i * COLUMN_VECTORS + j]);
          }
        }
      }
    }
    workgroupBarrier();
  }

  // @unroll
  for (var j = 0u; j < COLUMN_VECTORS; j++) {
    let column = first_column + j * GROUP_COLUMNS + my_column;
    if (column < columns) {
      if (COLUMN_SUMS && first_row == 0u && my_row == 0u) { store_column_sum(group.z, column, column_sum[j]); }
      // @unroll
      for (var i = 0u; i < ROWS; i++) {
        let row = (first_row + i / 4u * GROUP_ROWS + my_row) * 4u + i % 4u;
        if (row < params.m) { store(group.z, row, column, sum[i * COLUMN_VECTORS + j]); }
      }
    }
  }
}
