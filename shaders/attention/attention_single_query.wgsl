// Softmax attention of one query, shared by all examples, such as a pooling head's probe; see attention_direct.
//
// A workgroup takes one example and one head, whose keys it walks WORKGROUP at a time. For scores a lane is a key. For
// sums over keys a lane is one vector of columns of every PARTS-th key, so neighbouring lanes read neighbouring words;
// the PARTS partial sums are then added in order. Since the workgroup sees every key, one backward pass serves all
// gradients. Deterministic.
//
// q [D], kv [B · Tk, …] by row stride and first column in vectors of four, out and dout [B, D], lse [B, H].

const HEAD_WIDTH: u32 = 64u; // a multiple of 4, at most 4 · WORKGROUP
const MASK: bool = false; // read `mask` [B, Tk]: 1 where a key may be attended
const WORKGROUP: u32 = 64u; // a multiple of 8
const VECTORS: u32 = HEAD_WIDTH / 4u;
const PARTS: u32 = WORKGROUP / VECTORS;
const RUN: u32 = WORKGROUP / 8u; // numbers that one of 8 lanes reduces

// How the elements of q, of k and v, and of out lie in memory.
alias StoredQ = vec4f;
alias StoredKv = vec4f;
alias StoredOut = vec4f;

struct Params {
  keys: u32,
  heads: u32,
  q_column: u32, // vector where head 0 starts
  kv_stride: u32, // vectors from one row to the next
  k_column: u32,
  v_column: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<StoredQ>;
@group(0) @binding(2) var<storage, read> kv: array<StoredKv>;
@group(0) @binding(3) var<storage, read> mask: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<StoredOut>;
@group(0) @binding(5) var<storage, read_write> lse_out: array<f32>;
@group(0) @binding(4) var<storage, read> out_in: array<StoredOut>;
@group(0) @binding(5) var<storage, read> lse: array<f32>;
@group(0) @binding(6) var<storage, read> dout: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4f>; // [B, D], still to be summed over the examples
@group(0) @binding(8) var<storage, read_write> dkv: array<vec4f>; // laid out as kv

const LOWEST: f32 = -1e30; // the score of what may not be attended

var<workgroup> query: array<vec4f, VECTORS>; // times scale
var<workgroup> dout_row: array<vec4f, VECTORS>;
var<workgroup> weights: array<f32, WORKGROUP>;
var<workgroup> dscores: array<f32, WORKGROUP>;
var<workgroup> sums: array<vec4f, WORKGROUP>;
var<workgroup> values: array<f32, WORKGROUP>;
var<workgroup> runs: array<f32, 8>;

// The highest value of the workgroup, in every lane.
fn highest_of(lane: u32, value: f32) -> f32 {
  values[lane] = value;
  workgroupBarrier();
  if (lane < 8u) {
    var highest = values[lane * RUN];
    // @unroll
    for (var i = 1u; i < RUN; i++) {
      highest = max(highest, values[lane * RUN + i]);
    }
    runs[lane] = highest;
  }
  workgroupBarrier();
  var highest = runs[0];
  // @unroll
  for (var i = 1u; i < 8u; i++) {
    highest = max(highest, runs[i]);
  }
  return highest;
}

// The sum over the workgroup, in a fixed order, in every lane.
fn sum_of(lane: u32, value: f32) -> f32 {
  values[lane] = value;
  workgroupBarrier();
  if (lane < 8u) {
    var sum = values[lane * RUN];
    // @unroll
    for (var i = 1u; i < RUN; i++) {
      sum += values[lane * RUN + i];
    }
    runs[lane] = sum;
  }
  workgroupBarrier();
  var sum = runs[0];
  // @unroll
  for (var i = 1u; i < 8u; i++) {
    sum += runs[i];
  }
  return sum;
}

// Whether a key may be attended, and the vectors where its head starts in kv; keys past the end repeat the last.
fn attended(example: u32, key: u32) -> bool {
  var yes = key < params.keys;
  if (MASK) { yes = yes && mask[example * params.keys + min(key, params.keys - 1u)] != 0u; }
  return yes;
}

fn kv_at(example: u32, head: u32, key: u32) -> u32 {
  return (example * params.keys + min(key, params.keys - 1u)) * params.kv_stride + head * VECTORS;
}

fn score_of(key_at: u32) -> f32 {
  var products = vec4f(0.0);
  // @unroll
  for (var i = 0u; i < VECTORS; i++) {
    products += query[i] * vec4f(kv[key_at + params.k_column + i]);
  }
  return products.x + products.y + products.z + products.w;
}

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group.x;
  let example = group.y;
  let part = lane / VECTORS;
  let vector = lane % VECTORS;
  if (lane < VECTORS) { query[lane] = vec4f(q[params.q_column + head * VECTORS + lane]) * params.scale; }
  workgroupBarrier();

  var highest = LOWEST;
  var total = 0.0; // over this lane's keys
  var sum = vec4f(0.0);
  for (var first = 0u; first < params.keys; first += WORKGROUP) {
    let key = first + lane;
    let counts = attended(example, key);
    let score = select(LOWEST, score_of(kv_at(example, head, key)), counts);
    let peak = max(highest, highest_of(lane, score));
    let keep = exp(highest - peak);
    highest = peak;
    let weight = select(0.0, exp(score - peak), counts);
    total = total * keep + weight;
    weights[lane] = weight;
    workgroupBarrier();
    sum *= keep;
    if (part < PARTS) {
      let keys = min(WORKGROUP, params.keys - first);
      for (var k = part; k < keys; k += PARTS) {
        sum += weights[k] * vec4f(kv[kv_at(example, head, first + k) + params.v_column + vector]);
      }
    }
    // The next pass writes `weights` behind the barriers of highest_of.
  }
  sums[lane] = sum;
  total = sum_of(lane, total);
  if (lane < VECTORS) {
    // @unroll
    for (var i = 1u; i < PARTS; i++) {
      sum += sums[i * VECTORS + lane];
    }
    let norm = select(0.0, 1.0 / total, total > 0.0); // all keys masked: zero
    out[(example * params.heads + head) * VECTORS + lane] = StoredOut(sum * norm);
  }
  // Without a key, a huge value makes every weight of the backward pass exp(−huge) = 0.
  if (lane == 0u) { lse_out[example * params.heads + head] = select(1e30, highest + log(total), total > 0.0); }
}

@compute @workgroup_size(WORKGROUP)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group.x;
  let example = group.y;
  let part = lane / VECTORS;
  let vector = lane % VECTORS;
  let out_at = (example * params.heads + head) * VECTORS;
  let q_at = params.q_column + head * VECTORS;
  var product = 0.0;
  if (lane < VECTORS) {
    query[lane] = vec4f(q[q_at + lane]) * params.scale;
    dout_row[lane] = dout[out_at + lane];
    product = dot(dout[out_at + lane], vec4f(out_in[out_at + lane]));
  }
  let delta = sum_of(lane, product);
  let row_lse = lse[example * params.heads + head];
  let query_vector = vec4f(q[q_at + vector]);
  let dout_vector = dout[out_at + vector];

  var sum = vec4f(0.0);
  for (var first = 0u; first < params.keys; first += WORKGROUP) {
    let key = first + lane;
    let at = kv_at(example, head, key);
    var dweights = vec4f(0.0);
    // @unroll
    for (var i = 0u; i < VECTORS; i++) {
      dweights += dout_row[i] * vec4f(kv[at + params.v_column + i]);
    }
    let weight = select(0.0, exp(score_of(at) - row_lse), attended(example, key));
    weights[lane] = weight;
    dscores[lane] = weight * (dweights.x + dweights.y + dweights.z + dweights.w - delta) * params.scale;
    workgroupBarrier();
    if (part < PARTS) {
      let keys = min(WORKGROUP, params.keys - first);
      for (var k = part; k < keys; k += PARTS) {
        let to = kv_at(example, head, first + k) + vector;
        sum += dscores[k] * vec4f(kv[to + params.k_column]);
        dkv[to + params.k_column] = dscores[k] * query_vector;
        dkv[to + params.v_column] = weights[k] * dout_vector;
      }
    }
    workgroupBarrier();
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane < VECTORS) {
    // @unroll
    for (var i = 1u; i < PARTS; i++) {
      sum += sums[i * VECTORS + lane];
    }
    dq[out_at + lane] = sum;
  }
}
