// Rows by index: y[r] = x[indices[r]], or, without INDEXED, row r · every + first of x.
//
// x [S, W] and y [R, W] are words, so the same text moves pixels, tokens and numbers. `scatter` is the reverse for
// rows taken without indices: dx is dy at those rows and zero elsewhere, plus `addend`; `scatter_chosen` for one row of
// every `every`, named by index. `merge` takes its rows from two tensors, as if `second` followed the last row of x.
// One invocation moves one word; in `rows`, which is `forward` by index for rows of whole vectors, one vector of four, and
// a workgroup stays in one row, so that it divides once. Deterministic.

const INDEXED: bool = true;
const ACCUMULATE: bool = false; // scatter adds `addend`
const WORKGROUP: u32 = 64u;

struct Params {
  size: u32, // words that the entry point writes; rows: vectors
  width: u32, // W; rows: W / 4
  every: u32, // rows: workgroups of a row
  first: u32, // merge: rows of x
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;
@group(0) @binding(4) var<storage, read> second: array<u32>;
@group(0) @binding(1) var<storage, read> x_vectors: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> y_vectors: array<vec4u>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> addend: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<storage, read> chosen: array<u32>; // row of x, one of every `every`

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  var row = i / params.width;
  if (INDEXED) { row = indices[row]; } else { row = row * params.every + params.first; }
  y[i] = x[row * params.width + i % params.width];
}

@compute @workgroup_size(WORKGROUP)
fn rows(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = id.y * groups.x + id.x;
  let row = group / params.every;
  let column = group % params.every * WORKGROUP + lane;
  let i = row * params.width + column;
  if (column >= params.width || i >= params.size) { return; }
  y_vectors[i] = x_vectors[indices[row] * params.width + column];
}

@compute @workgroup_size(WORKGROUP)
fn merge(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let row = indices[i / params.width];
  let column = i % params.width;
  if (row < params.first) {
    y[i] = x[row * params.width + column];
  } else {
    y[i] = second[(row - params.first) * params.width + column];
  }
}

@compute @workgroup_size(WORKGROUP)
fn scatter(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let row = i / params.width;
  var gradient = 0.0;
  if (row % params.every == params.first) { gradient = dy[row / params.every * params.width + i % params.width]; }
  if (ACCUMULATE) { gradient += addend[i]; }
  dx[i] = gradient;
}

@compute @workgroup_size(WORKGROUP)
fn scatter_chosen(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let row = i / params.width;
  let taken = row / params.every;
  var gradient = 0.0;
  if (chosen[taken] == row) { gradient = dy[taken * params.width + i % params.width]; }
  if (ACCUMULATE) { gradient += addend[i]; }
  dx[i] = gradient;
}
