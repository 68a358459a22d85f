// Token and position embedding: y[b, t] = table[tokens[b, t]] + position[t]
//
// tokens [B, T], table [V, D], position [T, D], y, dy [B, T, D].
// The table's gradient needs no atomics: the host sorts the super-batch's token positions by token and cuts every
// token's list into segments. One invocation sums four columns of one segment (`backward_segment`), another
// the segments of one token (`backward_table`), both in order: deterministic. `slots` maps an example of the super-batch
// to its row in the sub-batch, or to 0xffffffff when it was not selected; the batch at hand holds the sub-batch's rows
// from `first_slot` on, and tokens of other rows are skipped.

const ACCUMULATE: bool = false; // backward_table adds `addend`
const WORKGROUP: u32 = 64u;

struct Params {
  size: u32, // vectors of 4 elements that the entry point writes
  tokens: u32, // T
  width: u32, // D / 4
  vocabulary: u32, // V
  first_slot: u32,
  examples: u32, // B
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<vec4f>;
@group(0) @binding(3) var<storage, read> position: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<storage, read> positions: array<u32>; // b · T + t in the super-batch, sorted by token
@group(0) @binding(2) var<storage, read> segment_offsets: array<u32>; // [segments + 1], into `positions`
@group(0) @binding(3) var<storage, read> slots: array<u32>;
@group(0) @binding(4) var<storage, read> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> segment_sums: array<vec4f>; // [segments, D]
@group(0) @binding(1) var<storage, read> sums: array<vec4f>; // segment_sums, read
@group(0) @binding(2) var<storage, read> token_segments: array<u32>; // [V + 1], into the segments
@group(0) @binding(3) var<storage, read> addend: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dtable: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let row = i / params.width;
  let column = i % params.width;
  let token = min(tokens[row], params.vocabulary - 1u);
  y[i] = table[token * params.width + column] + position[row % params.tokens * params.width + column];
}

@compute @workgroup_size(WORKGROUP)
fn backward_segment(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let segment = i / params.width;
  let column = i % params.width;
  var sum = vec4f(0.0);
  for (var at = segment_offsets[segment]; at < segment_offsets[segment + 1u]; at++) {
    // Rows before the first wrap round to far above B, as the mark of the unselected does.
    let row = slots[positions[at] / params.tokens] - params.first_slot;
    if (row < params.examples) {
      sum += dy[(row * params.tokens + positions[at] % params.tokens) * params.width + column];
    }
  }
  segment_sums[i] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn backward_table(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let token = i / params.width;
  let column = i % params.width;
  var sum = vec4f(0.0);
  for (var segment = token_segments[token]; segment < token_segments[token + 1u]; segment++) {
    sum += sums[segment * params.width + column];
  }
  if (ACCUMULATE) { sum += addend[i]; }
  dtable[i] = sum;
}
