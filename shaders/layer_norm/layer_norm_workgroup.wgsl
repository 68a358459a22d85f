// Layer normalisation whose teams add through workgroup memory; layer_norm_frame says what is computed.

const WORKGROUP: u32 = 64u;
const LANES: u32 = 16u; // of a team; divides WORKGROUP

// @include layer_norm_frame.wgsl

var<workgroup> shares: array<vec2f, WORKGROUP>;

// The sum of the team's values, the same on each of its lanes.
fn team_sum(local: u32, value: vec2f) -> vec2f {
  shares[local] = value;
  workgroupBarrier();
  let first = local / LANES * LANES;
  var sum = vec2f(0.0);
  for (var lane = 0u; lane < LANES; lane++) {
    sum += shares[first + lane];
  }
  workgroupBarrier();
  return sum;
}
