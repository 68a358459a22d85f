// Softmax attention: out = softmax(q kᵀ · scale + mask) v, per example and head, without storing the scores.
// Source: Vaswani et al., arXiv:1706.03762; running maximum as in Milakov & Gimelshein, arXiv:1805.02867.
//
// B examples, Tq queries, Tk keys, H heads of K = HEAD_WIDTH columns. q, k and v are column blocks of row-major
// matrices (so one [B·T, 3D] product serves all three), each given by its row stride and first column, in vectors of
// four. lse [B, H, Tq] is the logarithm of each row's sum of exponentials; delta [B, H, Tq] = ⟨dout, out⟩.
// Forward and backward_query: one invocation a query; backward_key: one a key. All sums run in order: deterministic.

const HEAD_WIDTH: u32 = 32u; // a multiple of 4
const MASK: bool = false; // read `mask` [B, Tk]: 1 where a key may be attended
const CAUSAL: bool = false; // query t attends to the keys 0 … t only
const CLEAR_QUERIES: bool = false; // backward_key zeroes the query columns of all rows but the last
const WORKGROUP: u32 = 64u;
const VECTORS: u32 = HEAD_WIDTH / 4u;

// How the elements of q, of k and v, and of out lie in memory.
alias StoredQ = vec4f;
alias StoredKv = vec4f;
alias StoredOut = vec4f;

struct Params {
  examples: u32,
  queries: u32,
  keys: u32,
  heads: u32,
  q_stride: u32, // vectors from one row to the next
  q_column: u32, // vector where head 0 starts
  q_every: u32, // rows from one example's first query to the next one's; 0: all use the same queries
  q_first: u32, // row of the first example's first query
  k_stride: u32,
  k_column: u32,
  v_column: u32, // v shares k's rows
  dq_stride: u32,
  dq_every: u32, // as q_every and q_first, for the gradient
  dq_first: u32,
  dq_column: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<StoredQ>;
@group(0) @binding(2) var<storage, read> k: array<StoredKv>;
@group(0) @binding(3) var<storage, read> v: array<StoredKv>;
@group(0) @binding(4) var<storage, read> mask: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<StoredOut>;
@group(0) @binding(6) var<storage, read_write> lse_out: array<f32>;
@group(0) @binding(1) var<storage, read> out_in: array<StoredOut>;
@group(0) @binding(2) var<storage, read_write> delta_out: array<f32>;
@group(0) @binding(5) var<storage, read> dout: array<vec4f>;
@group(0) @binding(6) var<storage, read> lse: array<f32>;
@group(0) @binding(7) var<storage, read> delta: array<f32>;
@group(0) @binding(8) var<storage, read_write> dq: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> dkv: array<vec4f>; // laid out as k and v

const LOWEST: f32 = -1e30;

struct Place {
  example: u32,
  head: u32,
  token: u32,
}

// Neighbouring invocations differ in the token, so they read the same keys at the same time.
fn place(index: u32, tokens: u32) -> Place {
  return Place(index / (params.heads * tokens), index / tokens % params.heads, index % tokens);
}

fn query_at(p: Place) -> u32 {
  let row = p.example * params.q_every + params.q_first + p.token;
  return row * params.q_stride + params.q_column + p.head * VECTORS;
}

// Row of `out` and `dout`, [B · Tq, H · K].
fn out_at(p: Place) -> u32 {
  return ((p.example * params.queries + p.token) * params.heads + p.head) * VECTORS;
}

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.y * groups.x * WORKGROUP + id.x;
  if (index >= params.examples * params.heads * params.queries) { return; }
  let p = place(index, params.queries);
  let q_at = query_at(p);
  var query: array<vec4f, VECTORS>;
  var sum: array<vec4f, VECTORS>;
  // @unroll
  for (var i = 0u; i < VECTORS; i++) {
    query[i] = vec4f(q[q_at + i]) * params.scale;
    sum[i] = vec4f(0.0);
  }
  var highest = LOWEST;
  var total = 0.0;
  let end = select(params.keys, min(params.keys, p.token + 1u), CAUSAL);
  for (var key = 0u; key < end; key++) {
    let row = (p.example * params.keys + key) * params.k_stride + p.head * VECTORS;
    if (MASK) {
      if (mask[p.example * params.keys + key] == 0u) { continue; }
    }
    var products = vec4f(0.0);
    // @unroll
    for (var i = 0u; i < VECTORS; i++) {
      products += query[i] * vec4f(k[row + params.k_column + i]);
    }
    let score = products.x + products.y + products.z + products.w;
    let peak = max(highest, score);
    let keep = exp(highest - peak);
    let weight = exp(score - peak);
    total = total * keep + weight;
    // @unroll
    for (var i = 0u; i < VECTORS; i++) {
      sum[i] = sum[i] * keep + weight * vec4f(v[row + params.v_column + i]);
    }
    highest = peak;
  }
  let norm = select(0.0, 1.0 / total, total > 0.0); // all keys masked: zero
  let to = out_at(p);
  // @unroll
  for (var i = 0u; i < VECTORS; i++) {
    out[to + i] = StoredOut(sum[i] * norm);
  }
  // Without a key, a huge value makes every weight of the backward passes exp(−huge) = 0.
  lse_out[index] = select(1e30, highest + log(total), total > 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn backward_delta(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.y * groups.x * WORKGROUP + id.x;
  if (index >= params.examples * params.heads * params.queries) { return; }
  let at = out_at(place(index, params.queries));
  var products = vec4f(0.0);
  for (var i = 0u; i < VECTORS; i++) {
    products += vec4f(out_in[at + i]) * dout[at + i];
  }
  delta_out[index] = products.x + products.y + products.z + products.w;
}

@compute @workgroup_size(WORKGROUP)
fn backward_query(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.y * groups.x * WORKGROUP + id.x;
  if (index >= params.examples * params.heads * params.queries) { return; }
  let p = place(index, params.queries);
  let q_at = query_at(p);
  let at = out_at(p);
  var query: array<vec4f, VECTORS>;
  var dout_row: array<vec4f, VECTORS>;
  var sum: array<vec4f, VECTORS>;
  // @unroll
  for (var i = 0u; i < VECTORS; i++) {
    query[i] = vec4f(q[q_at + i]) * params.scale;
    dout_row[i] = dout[at + i];
    sum[i] = vec4f(0.0);
  }
  let end = select(params.keys, min(params.keys, p.token + 1u), CAUSAL);
  for (var key = 0u; key < end; key++) {
    let row = (p.example * params.keys + key) * params.k_stride + p.head * VECTORS;
    if (MASK) {
      if (mask[p.example * params.keys + key] == 0u) { continue; }
    }
    var products = vec4f(0.0);
    var dweights = vec4f(0.0);
    // @unroll
    for (var i = 0u; i < VECTORS; i++) {
      products += query[i] * vec4f(k[row + params.k_column + i]);
      dweights += dout_row[i] * vec4f(v[row + params.v_column + i]);
    }
    let weight = exp(products.x + products.y + products.z + products.w - lse[index]);
    let dscore = weight * (dweights.x + dweights.y + dweights.z + dweights.w - delta[index]) * params.scale;
    // @unroll
    for (var i = 0u; i < VECTORS; i++) {
      sum[i] += dscore * vec4f(k[row + params.k_column + i]);
    }
  }
  let to = (p.example * params.dq_every + params.dq_first + p.token) * params.dq_stride + params.dq_column + p.head * VECTORS;
  // @unroll
  for (var i = 0u; i < VECTORS; i++) {
    dq[to + i] = sum[i];
  }
}

@compute @workgroup_size(WORKGROUP)
fn backward_key(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.y * groups.x * WORKGROUP + id.x;
  if (index >= params.examples * params.heads * params.keys) { return; }
  let p = place(index, params.keys);
  let row = (p.example * params.keys + p.token) * params.k_stride + p.head * VECTORS;
  var attended = true;
  if (MASK) { attended = mask[p.example * params.keys + p.token] != 0u; }
  var key: array<vec4f, VECTORS>;
  var value: array<vec4f, VECTORS>;
  var dkey: array<vec4f, VECTORS>;
  var dvalue: array<vec4f, VECTORS>;
  // @unroll
  for (var i = 0u; i < VECTORS; i++) {
    key[i] = vec4f(k[row + params.k_column + i]) * params.scale;
    value[i] = vec4f(v[row + params.v_column + i]);
    dkey[i] = vec4f(0.0);
    dvalue[i] = vec4f(0.0);
  }
  if (attended) {
    for (var token = select(0u, p.token, CAUSAL); token < params.queries; token++) {
      let query = Place(p.example, p.head, token);
      let q_at = query_at(query);
      let at = out_at(query);
      let score_at = (p.example * params.heads + p.head) * params.queries + token;
      var products = vec4f(0.0);
      var dweights = vec4f(0.0);
      // @unroll
      for (var i = 0u; i < VECTORS; i++) {
        products += key[i] * vec4f(q[q_at + i]);
        dweights += value[i] * dout[at + i];
      }
      let weight = exp(products.x + products.y + products.z + products.w - lse[score_at]);
      let dscore = weight * (dweights.x + dweights.y + dweights.z + dweights.w - delta[score_at]) * params.scale;
      // @unroll
      for (var i = 0u; i < VECTORS; i++) {
        dkey[i] += dscore * vec4f(q[q_at + i]);
        dvalue[i] += weight * dout[at + i];
      }
    }
  }
  // @unroll
  for (var i = 0u; i < VECTORS; i++) {
    dkv[row + params.k_column + i] = dkey[i];
    dkv[row + params.v_column + i] = dvalue[i];
    if (CLEAR_QUERIES && p.token + 1u != params.keys) { dkv[row + params.dq_column + i] = vec4f(0.0); }
  }
}
