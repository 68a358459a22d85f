// Draws `members` of the S − |A| examples that are still free, without replacement, with p ∝ exp(cond).
//
// Gumbel-top-k: adding independent Gumbel noise and taking the highest gives the same distribution as drawing one by
// one (Plackett–Luce; Kool et al., arXiv:1903.06059), and never exponentiates a score. The noise is Philox 4×32-10
// (Salmon et al., SC 2011) at counter (i, 65,536 · step + chunk, stream, 0), bit-equal to src/random/philox.ts.
//
// One workgroup: a radix select finds the lowest key that is drawn (integer atomics on a histogram, whose sums do not
// depend on order), then every drawn example counts how many precede it. Keys descend, equal keys go by index:
// deterministic.

const UNIFORM: bool = false; // all scores are zero
const FIRST: bool = false; // every example is free
const NOISE: bool = true; // without it the highest scores are taken
const WORKGROUP: u32 = 256u;
const STREAM: u32 = 3u; // Stream.select
const NOT_SELECTED: u32 = 0xffffffffu;

struct Params {
  count: u32, // S
  first: u32, // where the drawn examples go in `indices`
  members: u32, // how many are drawn
  chunk: u32, // number of the draw
  seed_low: u32,
  seed_high: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> cond: array<f32>;
@group(0) @binding(2) var<storage, read> step: array<u32>; // [0]: number of the step
@group(0) @binding(3) var<storage, read_write> keys: array<u32>; // [S] scratch
@group(0) @binding(4) var<storage, read_write> drawn: array<u32>; // [S] scratch
@group(0) @binding(5) var<storage, read_write> indices: array<u32>; // [b]
@group(0) @binding(6) var<storage, read_write> slots: array<u32>; // [S]: place in `indices`, or NOT_SELECTED
@group(0) @binding(7) var<storage, read_write> entropy: array<f32>; // [draws], nats, of softmax(cond)
@group(0) @binding(8) var<storage, read_write> drawn_by: array<f32>; // [b]: the score by which each was drawn

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> shares: array<vec3f, WORKGROUP>;
var<workgroup> prefix: u32; // the bits of the threshold found so far
var<workgroup> wanted: u32; // how many to draw among the keys with that prefix
var<workgroup> drawn_count: atomic<u32>;

// @include ../philox_frame.wgsl

// −log(E) with E exponential. E = −log(1 − v): for small v, 1 − v loses v's digits, and with them the upper tail that
// decides who is drawn, so the series takes over.
fn gumbel(i: u32) -> f32 {
  let word = philox(vec4u(i, step[0] * 65536u + params.chunk, STREAM, 0u), vec2u(params.seed_low, params.seed_high));
  let v = min((f32(word) + 0.5) / 4294967296.0, 0.99999994);
  return -log(select(-log(1.0 - v), v * (1.0 + v * (0.5 + v / 3.0)), v < 1e-2));
}

// Bits whose unsigned order is the order of the numbers; never 0.
fn ordered(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return max(select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u), 1u);
}

@compute @workgroup_size(WORKGROUP)
fn draw(@builtin(local_invocation_index) local: u32) {
  // Keys, and what the entropy needs: the highest score, Σ e and Σ e · (score − highest), e = exp(score − highest).
  var highest = -1e38;
  var total = 0.0;
  var weighted = 0.0;
  for (var i = local; i < params.count; i += WORKGROUP) {
    var score = 0.0;
    if (!UNIFORM) { score = cond[i]; }
    if (FIRST) { slots[i] = NOT_SELECTED; } else if (slots[i] != NOT_SELECTED) {
      keys[i] = 0u;
      continue;
    }
    var key = score;
    if (NOISE) { key += gumbel(i); }
    keys[i] = ordered(key);
    let peak = max(highest, score);
    let keep = exp(max(highest - peak, -1e30));
    // Moving the peak by δ moves every (score − peak) by −δ.
    weighted = weighted * keep + select(0.0, total * keep * (highest - peak), total > 0.0);
    total *= keep;
    let weight = exp(score - peak);
    total += weight;
    weighted += weight * (score - peak);
    highest = peak;
  }
  shares[local] = vec3f(highest, total, weighted);
  if (local == 0u) {
    prefix = 0u;
    wanted = params.members;
    atomicStore(&drawn_count, 0u);
  }
  workgroupBarrier();
  if (local == 0u) {
    var peak = -1e38;
    for (var lane = 0u; lane < WORKGROUP; lane++) {
      peak = max(peak, shares[lane].x);
    }
    var sum = 0.0;
    var moment = 0.0;
    for (var lane = 0u; lane < WORKGROUP; lane++) {
      let share = shares[lane];
      if (share.y > 0.0) {
        let keep = exp(share.x - peak);
        sum += share.y * keep;
        moment += keep * (share.z + share.y * (share.x - peak));
      }
    }
    entropy[params.chunk] = max(log(sum) - moment / sum, 0.0);
  }

  // The lowest drawn key, eight bits at a time from the top.
  for (var digit = 0u; digit < 4u; digit++) {
    let shift = 24u - digit * 8u;
    atomicStore(&histogram[local], 0u);
    workgroupBarrier();
    let mask = select(0xffffffffu << (shift + 8u), 0u, digit == 0u);
    for (var i = local; i < params.count; i += WORKGROUP) {
      if ((keys[i] & mask) == (prefix & mask)) { atomicAdd(&histogram[(keys[i] >> shift) & 0xffu], 1u); }
    }
    workgroupBarrier();
    if (local == 0u) {
      var left = wanted;
      var bin = 255u;
      for (var tried = 0u; tried < 256u; tried++) {
        bin = 255u - tried;
        let held = atomicLoad(&histogram[bin]);
        if (held >= left) { break; }
        left -= held;
      }
      prefix |= bin << shift;
      wanted = left;
    }
    workgroupBarrier();
  }

  // Everything at or above it; their order in `drawn` does not matter.
  for (var i = local; i < params.count; i += WORKGROUP) {
    if (keys[i] >= prefix) { drawn[atomicAdd(&drawn_count, 1u)] = i; }
  }
  storageBarrier();
  workgroupBarrier();
  let candidates = atomicLoad(&drawn_count); // more than `members` only when keys at the threshold are equal
  for (var at = local; at < candidates; at += WORKGROUP) {
    let mine = drawn[at];
    let key = keys[mine];
    var rank = 0u;
    for (var other = 0u; other < candidates; other++) {
      let rival = drawn[other];
      if (keys[rival] > key || (keys[rival] == key && rival < mine)) { rank++; }
    }
    if (rank < params.members) {
      indices[params.first + rank] = mine;
      slots[mine] = params.first + rank;
      if (UNIFORM) { drawn_by[params.first + rank] = 0.0; } else { drawn_by[params.first + rank] = cond[mine]; }
    }
  }
}
