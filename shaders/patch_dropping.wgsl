// Patch dropping (FLIP, arXiv:2212.00794): of every picture's N patches K are kept, drawn anew for each picture and step.
//
// `choose` gives every patch a random key, Philox at counter (patch, step, stream, pass) with patches numbered through
// all pictures, and keeps the K lowest, in the order of their keys. One workgroup a picture.
// `spread` puts rows back to where they were kept from, zero where none was: the gradient of the keeping.
// Both deterministic.

const TOKENS: u32 = 4u; // N
const KEPT: u32 = 2u; // K
const ACCUMULATE: bool = false; // spread adds `addend`
const WORKGROUP: u32 = 64u;
const STREAM: u32 = 5u; // Stream.drop
const DROPPED: u32 = 0xffffffffu;

struct Params {
  size: u32, // vectors of 4 that `spread` writes
  width: u32, // D / 4
  first: u32, // number of the first picture
  pass_number: u32, // tells apart the passes of a step
  seed_low: u32,
  seed_high: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: array<u32>; // [0]: number of the step
@group(0) @binding(2) var<storage, read_write> kept: array<u32>; // [B, K]: row of x [B·N, D]
@group(0) @binding(3) var<storage, read_write> slots_out: array<u32>; // [B, N]: place in `kept`, or DROPPED
alias StoredX = vec4f; // how x and y lie in memory; they may be in half precision
alias StoredY = vec4f;

@group(0) @binding(1) var<storage, read> x: array<StoredX>; // [B·K, D / 4]
@group(0) @binding(2) var<storage, read> slots: array<u32>; // [B, N]
@group(0) @binding(3) var<storage, read> addend: array<vec4f>; // [B·N, D / 4]
@group(0) @binding(4) var<storage, read_write> y: array<StoredY>; // [B·N, D / 4]

var<workgroup> keys: array<u32, TOKENS>;

// @include philox_frame.wgsl

@compute @workgroup_size(WORKGROUP)
fn choose(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let picture = group.y * groups.x + group.x;
  let count = arrayLength(&slots_out) / TOKENS;
  for (var token = local; token < TOKENS; token += WORKGROUP) {
    let place = (params.first + picture) * TOKENS + token;
    keys[token] = philox(
      vec4u(place, step[0], STREAM, params.pass_number),
      vec2u(params.seed_low, params.seed_high),
    );
  }
  workgroupBarrier();
  if (picture >= count) { return; }
  for (var token = local; token < TOKENS; token += WORKGROUP) {
    let key = keys[token];
    var rank = 0u;
    for (var other = 0u; other < TOKENS; other++) {
      if (keys[other] < key || (keys[other] == key && other < token)) { rank++; }
    }
    let row = picture * TOKENS + token;
    if (rank < KEPT) {
      kept[picture * KEPT + rank] = row;
      slots_out[row] = picture * KEPT + rank;
    } else {
      slots_out[row] = DROPPED;
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn spread(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * WORKGROUP + id.x;
  if (i >= params.size) { return; }
  let slot = slots[i / params.width];
  var value = vec4f();
  if (slot != DROPPED) { value = vec4f(x[slot * params.width + i % params.width]); }
  if (ACCUMULATE) { value += addend[i]; }
  y[i] = StoredY(value);
}
