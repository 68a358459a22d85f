// Layer normalisation whose teams are subgroups, one a workgroup; layer_norm_frame says what is computed.

const WORKGROUP: u32 = 8u; // the adapter's subgroup size
const LANES: u32 = WORKGROUP;

// @include layer_norm_frame.wgsl

// The sum of the team's values, the same on each of its lanes.
fn team_sum(local: u32, value: vec2f) -> vec2f {
  return subgroupAdd(value);
}
