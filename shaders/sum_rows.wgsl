// Sum over the rows of a matrix: y[j] = Σ_i x[i, j] + addend[j]
//
// x [M, N], y [N]. Long columns are cut into SEGMENT rows: `partial` writes one sum per segment and column
// ([segments, N]), and running `partial` again over those with one segment finishes. One invocation sums one column
// of one segment in order. Deterministic.

const ACCUMULATE: bool = false; // add `addend` (the last pass)
const WORKGROUP: u32 = 64u;

struct Params {
  rows: u32,
  columns: u32,
  segment: u32, // rows that one invocation sums
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> addend: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn partial(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= params.columns) { return; }
  let first = id.y * params.segment;
  let last = min(first + params.segment, params.rows);
  var sum = 0.0;
  for (var row = first; row < last; row++) {
    sum += x[row * params.columns + column];
  }
  if (ACCUMULATE) { sum += addend[column]; }
  y[id.y * params.columns + column] = sum;
}
