// Writes what a step did into rings that the host reads every few steps.
//
// scalars [R, 8]: loss, ‖g‖, clip factor, finite, t, β, batch score; and rows of other lengths [R, size], word by word:
// the trained examples' places in the super-batch, in order of selection, and the entropy of each draw.
// Row = (step − 1) mod R. Deterministic.

const WORKGROUP: u32 = 64u;

struct Params {
  capacity: u32, // R
  size: u32, // words of a row
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>; // [0]: number of the step, from 1
@group(0) @binding(2) var<storage, read> loss: array<f32>;
@group(0) @binding(3) var<storage, read> clip: array<f32>;
@group(0) @binding(4) var<storage, read> logit_scale: array<f32>;
@group(0) @binding(5) var<storage, read> logit_bias: array<f32>;
@group(0) @binding(6) var<storage, read> batch_score: array<f32>;
@group(0) @binding(7) var<storage, read_write> scalars: array<f32>;
@group(0) @binding(2) var<storage, read> row: array<u32>;
@group(0) @binding(3) var<storage, read_write> ring: array<u32>;

@compute @workgroup_size(1)
fn record_scalars() {
  let at = (step[0] - 1u) % params.capacity * params.size;
  scalars[at] = loss[0];
  scalars[at + 1u] = clip[0];
  scalars[at + 2u] = clip[1];
  scalars[at + 3u] = clip[2];
  scalars[at + 4u] = logit_scale[0];
  scalars[at + 5u] = logit_bias[0];
  scalars[at + 6u] = batch_score[0];
}

@compute @workgroup_size(WORKGROUP)
fn record_row(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  ring[(step[0] - 1u) % params.capacity * params.size + i] = row[i];
}
