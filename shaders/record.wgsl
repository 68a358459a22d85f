// Writes what a step did into rings that the host reads every few steps.
//
// scalars [R, 12]: loss, ‖g‖, clip factor, finite, t, β, batch learnability, entropy of the first and the last chunk's
// draw; indices [R, b]: the trained examples' places in the super-batch, in order of selection. Row = (step − 1) mod R.
// Deterministic.

const WORKGROUP: u32 = 64u;
const SCALARS: u32 = 12u;

struct Params {
  capacity: u32, // R
  batch: u32, // b
  chunks: u32, // N
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>; // [0]: number of the step, from 1
@group(0) @binding(2) var<storage, read> loss: array<f32>;
@group(0) @binding(3) var<storage, read> clip: array<f32>;
@group(0) @binding(4) var<storage, read> logit_scale: array<f32>;
@group(0) @binding(5) var<storage, read> logit_bias: array<f32>;
@group(0) @binding(6) var<storage, read> learnability: array<f32>;
@group(0) @binding(7) var<storage, read> entropy: array<f32>;
@group(0) @binding(8) var<storage, read_write> scalars: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> index_ring: array<u32>;

@compute @workgroup_size(1)
fn record_scalars() {
  let row = (step[0] - 1u) % params.capacity * SCALARS;
  scalars[row] = loss[0];
  scalars[row + 1u] = clip[0];
  scalars[row + 2u] = clip[1];
  scalars[row + 3u] = clip[2];
  scalars[row + 4u] = logit_scale[0];
  scalars[row + 5u] = logit_bias[0];
  scalars[row + 6u] = learnability[0];
  scalars[row + 7u] = entropy[0];
  scalars[row + 8u] = entropy[params.chunks - 1u];
}

@compute @workgroup_size(WORKGROUP)
fn record_indices(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.batch) { return; }
  index_ring[(step[0] - 1u) % params.capacity * params.batch + i] = indices[i];
}
