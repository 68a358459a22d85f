// Gradients of softmax attention in tiles, from the saved logarithms of sums; the scores are computed again.
// Source: Dao et al., arXiv:2205.14135. Shapes as in attention_tiled; delta [B, H, Tq] = ⟨dout, out⟩.
//
//   weight = exp(q kᵀ · scale − lse), dscore = weight · (dout vᵀ − delta) · scale
//   dq = dscore · k      dk = dscoreᵀ · q      dv = weightᵀ · dout
//
// backward_query: a workgroup owns BLOCK queries of one head, walks the keys in tiles and leaves `delta`.
// backward_key: it owns BLOCK keys and walks the queries; so nothing is added to memory by two workgroups.
// TEAM lanes share 4 rows of the block, which lie in the components of one vector. A lane holds the scores of every
// TEAM-th row of the tile and the gradients of every TEAM-th vector of columns. One tile serves all operands in turn,
// for the memory is better spent on a larger block. All sums run in a fixed order: deterministic.

const HEAD_WIDTH: u32 = 64u; // a multiple of 4
const MASK: bool = false; // read `mask` [B, Tk]: 1 where a key may be attended
const CAUSAL: bool = false; // query t attends to the keys 0 … t only
const BLOCK: u32 = 16u; // rows of a workgroup, a multiple of 4
const TILE: u32 = 16u; // rows in workgroup memory, a multiple of TEAM
const TEAM: u32 = 8u;
const VECTORS: u32 = HEAD_WIDTH / 4u;
const CHUNK: u32 = 4u; // vectors that an inner loop takes at once, a divisor of VECTORS
const CHUNKS: u32 = VECTORS / CHUNK;
const PAD: u32 = 1u + VECTORS % 2u; // makes rows an odd number of vectors: neighbours start in different banks
const TEAMS: u32 = BLOCK / 4u;
const LANES: u32 = TEAMS * TEAM;
const LANE_ROWS: u32 = TILE / TEAM;
const LANE_VECTORS: u32 = (VECTORS + TEAM - 1u) / TEAM;
const SUMS: u32 = 4u * LANE_VECTORS;
const COPIES: u32 = (TILE * VECTORS + LANES - 1u) / LANES;

// How the elements of q, of k and v, and of out lie in memory.
alias StoredQ = vec4f;
alias StoredKv = vec4f;
alias StoredOut = vec4f;

struct Params {
  queries: u32,
  keys: u32,
  heads: u32,
  q_stride: u32, // vectors from one row to the next
  q_column: u32, // vector where head 0 starts
  q_shared: u32, // 1: every example uses the same queries
  kv_stride: u32,
  k_column: u32,
  v_column: u32,
  dq_stride: u32,
  dq_column: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<StoredQ>;
@group(0) @binding(2) var<storage, read> kv: array<StoredKv>;
@group(0) @binding(3) var<storage, read> mask: array<u32>;
@group(0) @binding(4) var<storage, read> dout: array<vec4f>;
@group(0) @binding(5) var<storage, read> lse: array<f32>;
@group(0) @binding(6) var<storage, read> out_in: array<StoredOut>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> delta_out: array<f32>;
@group(0) @binding(6) var<storage, read> delta: array<f32>;
@group(0) @binding(7) var<storage, read_write> dkv: array<vec4f>; // laid out as kv

// A row of the tile.
struct Row {
  chunks: array<array<vec4f, CHUNK>, CHUNKS>,
  pad: array<vec4f, PAD>,
}

// The block, turned: a matrix holds, for one vector of columns, the team's 4 rows.
var<workgroup> score_block: array<array<array<mat4x4f, CHUNK>, CHUNKS>, TEAMS>; // q or k, times scale
var<workgroup> dweight_block: array<array<array<mat4x4f, CHUNK>, CHUNKS>, TEAMS>; // dout or v
var<workgroup> tile: array<array<Row, TEAM>, LANE_ROWS>; // [row / TEAM][row % TEAM]
var<workgroup> factors: array<array<array<vec4f, TEAM>, LANE_ROWS>, TEAMS>; // dscores or weights of the tile's rows

// Vectors where the head's part of a row starts. Rows past the end repeat the last; they weigh nothing or are dropped.
fn query_at(example: u32, head: u32, query: u32) -> u32 {
  let row = select(example * params.queries, 0u, params.q_shared == 1u) + min(query, params.queries - 1u);
  return row * params.q_stride + params.q_column + head * VECTORS;
}

fn out_at(example: u32, head: u32, query: u32) -> u32 {
  return ((example * params.queries + min(query, params.queries - 1u)) * params.heads + head) * VECTORS;
}

fn kv_at(example: u32, head: u32, key: u32, column: u32) -> u32 {
  return (example * params.keys + min(key, params.keys - 1u)) * params.kv_stride + column + head * VECTORS;
}

fn score_at(example: u32, head: u32, query: u32) -> u32 {
  return (example * params.heads + head) * params.queries + min(query, params.queries - 1u);
}

// The products of this lane's rows of the tile with the team's 4 rows of a block.
fn score_products(team: u32, lane: u32) -> array<vec4f, LANE_ROWS> {
  var product: array<vec4f, LANE_ROWS>;
  // @unroll
  for (var j = 0u; j < LANE_ROWS; j++) {
    product[j] = vec4f(0.0);
  }
  for (var chunk = 0u; chunk < CHUNKS; chunk++) {
    // @unroll
    for (var d = 0u; d < CHUNK; d++) {
      let columns = score_block[team][chunk][d];
      // @unroll
      for (var j = 0u; j < LANE_ROWS; j++) {
        let row = tile[j][lane].chunks[chunk][d];
        product[j] += columns[0] * row.x;
        product[j] += columns[1] * row.y;
        product[j] += columns[2] * row.z;
        product[j] += columns[3] * row.w;
      }
    }
  }
  return product;
}

fn dweight_products(team: u32, lane: u32) -> array<vec4f, LANE_ROWS> {
  var product: array<vec4f, LANE_ROWS>;
  // @unroll
  for (var j = 0u; j < LANE_ROWS; j++) {
    product[j] = vec4f(0.0);
  }
  for (var chunk = 0u; chunk < CHUNKS; chunk++) {
    // @unroll
    for (var d = 0u; d < CHUNK; d++) {
      let columns = dweight_block[team][chunk][d];
      // @unroll
      for (var j = 0u; j < LANE_ROWS; j++) {
        let row = tile[j][lane].chunks[chunk][d];
        product[j] += columns[0] * row.x;
        product[j] += columns[1] * row.y;
        product[j] += columns[2] * row.z;
        product[j] += columns[3] * row.w;
      }
    }
  }
  return product;
}

// sum[i · LANE_VECTORS + c] += Σ factor · row of the tile
fn accumulate(sum: ptr<function, array<vec4f, SUMS>>, team: u32, lane: u32) {
  var column: array<u32, LANE_VECTORS>; // a lane without columns of its own repeats the last
  // @unroll
  for (var c = 0u; c < LANE_VECTORS; c++) {
    column[c] = min(lane + c * TEAM, VECTORS - 1u);
  }
  for (var j = 0u; j < LANE_ROWS; j++) {
    // @unroll
    for (var row = 0u; row < TEAM; row++) {
      let factor = factors[team][j][row];
      // @unroll
      for (var c = 0u; c < LANE_VECTORS; c++) {
        let value = tile[j][row].chunks[column[c] / CHUNK][column[c] % CHUNK];
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          (*sum)[i * LANE_VECTORS + c] += factor[i] * value;
        }
      }
    }
  }
}

fn store(row: u32, vector: u32, value: vec4f) {
  tile[row / TEAM][row % TEAM].chunks[vector / CHUNK][vector % CHUNK] = value;
}

fn load_queries(index: u32, example: u32, head: u32, first: u32) {
  // @unroll
  for (var copy = 0u; copy < COPIES; copy++) {
    let row = (copy * LANES + index) / VECTORS;
    let vector = (copy * LANES + index) % VECTORS;
    if (row < TILE) { store(row, vector, vec4f(q[query_at(example, head, first + row) + vector])); }
  }
}

fn load_douts(index: u32, example: u32, head: u32, first: u32) {
  // @unroll
  for (var copy = 0u; copy < COPIES; copy++) {
    let row = (copy * LANES + index) / VECTORS;
    let vector = (copy * LANES + index) % VECTORS;
    if (row < TILE) { store(row, vector, dout[out_at(example, head, first + row) + vector]); }
  }
}

fn load_kv(index: u32, example: u32, head: u32, first: u32, column: u32) {
  // @unroll
  for (var copy = 0u; copy < COPIES; copy++) {
    let row = (copy * LANES + index) / VECTORS;
    let vector = (copy * LANES + index) % VECTORS;
    if (row < TILE) { store(row, vector, vec4f(kv[kv_at(example, head, first + row, column) + vector])); }
  }
}

@compute @workgroup_size(LANES)
fn backward_query(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let head = group.y;
  let example = group.z;
  let team = index / TEAM;
  let lane = index % TEAM;
  let first_query = group.x * BLOCK + team * 4u;

  var dot_out = vec4f(0.0); // this lane's columns of ⟨dout, out⟩ of each of the 4 queries
  var row_lse = vec4f(0.0);
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    row_lse[i] = lse[score_at(example, head, first_query + i)];
  }
  // @unroll
  for (var c = 0u; c < LANE_VECTORS; c++) {
    let vector = lane + c * TEAM;
    if (vector < VECTORS) {
      var queries: mat4x4f;
      var douts: mat4x4f;
      // @unroll
      for (var i = 0u; i < 4u; i++) {
        let at = out_at(example, head, first_query + i) + vector;
        queries[i] = vec4f(q[query_at(example, head, first_query + i) + vector]) * params.scale;
        douts[i] = dout[at];
        dot_out[i] += dot(vec4f(out_in[at]), douts[i]);
      }
      score_block[team][vector / CHUNK][vector % CHUNK] = transpose(queries);
      dweight_block[team][vector / CHUNK][vector % CHUNK] = transpose(douts);
    }
  }
  factors[team][0][lane] = dot_out;
  workgroupBarrier();
  var row_delta = vec4f(0.0);
  // @unroll
  for (var other = 0u; other < TEAM; other++) {
    row_delta += factors[team][0][other];
  }

  var sum: array<vec4f, SUMS>;
  // @unroll
  for (var i = 0u; i < SUMS; i++) {
    sum[i] = vec4f(0.0);
  }
  let end = select(params.keys, min(params.keys, (group.x + 1u) * BLOCK), CAUSAL);
  for (var first = 0u; first < end; first += TILE) {
    load_kv(index, example, head, first, params.v_column);
    workgroupBarrier();
    let dweight = dweight_products(team, lane);
    workgroupBarrier();
    load_kv(index, example, head, first, params.k_column);
    workgroupBarrier();
    let score = score_products(team, lane);
    // @unroll
    for (var j = 0u; j < LANE_ROWS; j++) {
      let key = first + lane + j * TEAM;
      var attended = key < params.keys;
      if (MASK) { attended = attended && mask[example * params.keys + min(key, params.keys - 1u)] != 0u; }
      var counts = vec4<bool>(attended);
      if (CAUSAL) { counts = counts & (vec4u(key) <= vec4u(first_query) + vec4u(0u, 1u, 2u, 3u)); }
      let weight = select(vec4f(0.0), exp(score[j] - row_lse), counts);
      factors[team][j][lane] = weight * (dweight[j] - row_delta) * params.scale;
    }
    workgroupBarrier();
    accumulate(&sum, team, lane);
    workgroupBarrier();
  }

  // @unroll
  for (var i = 0u; i < 4u; i++) {
    let query = first_query + i;
    if (query < params.queries) {
      let to = (example * params.queries + query) * params.dq_stride + params.dq_column + head * VECTORS;
      // @unroll
      for (var c = 0u; c < LANE_VECTORS; c++) {
        if (lane + c * TEAM < VECTORS) { dq[to + lane + c * TEAM] = sum[i * LANE_VECTORS + c]; }
      }
      if (lane == 0u) { delta_out[score_at(example, head, query)] = row_delta[i]; }
    }
  }
}

@compute @workgroup_size(LANES)
fn backward_key(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let head = group.y;
  let example = group.z;
  let team = index / TEAM;
  let lane = index % TEAM;
  let first_key = group.x * BLOCK + team * 4u;

  // @unroll
  for (var c = 0u; c < LANE_VECTORS; c++) {
    let vector = lane + c * TEAM;
    if (vector < VECTORS) {
      var keys: mat4x4f;
      var values: mat4x4f;
      // @unroll
      for (var i = 0u; i < 4u; i++) {
        keys[i] = vec4f(kv[kv_at(example, head, first_key + i, params.k_column) + vector]) * params.scale;
        values[i] = vec4f(kv[kv_at(example, head, first_key + i, params.v_column) + vector]);
      }
      score_block[team][vector / CHUNK][vector % CHUNK] = transpose(keys);
      dweight_block[team][vector / CHUNK][vector % CHUNK] = transpose(values);
    }
  }
  var attended = vec4<bool>(true);
  if (MASK) {
    // @unroll
    for (var i = 0u; i < 4u; i++) {
      attended[i] = mask[example * params.keys + min(first_key + i, params.keys - 1u)] != 0u;
    }
  }

  var dkey: array<vec4f, SUMS>;
  var dvalue: array<vec4f, SUMS>;
  // @unroll
  for (var i = 0u; i < SUMS; i++) {
    dkey[i] = vec4f(0.0);
    dvalue[i] = vec4f(0.0);
  }
  // Queries before the block's first key attend to none of it.
  let start = select(0u, group.x * BLOCK / TILE * TILE, CAUSAL);
  for (var first = start; first < params.queries; first += TILE) {
    load_queries(index, example, head, first);
    workgroupBarrier();
    var weight = score_products(team, lane);
    // @unroll
    for (var j = 0u; j < LANE_ROWS; j++) {
      let query = first + lane + j * TEAM;
      var counts = attended & vec4<bool>(query < params.queries);
      if (CAUSAL) { counts = counts & (vec4u(first_key) + vec4u(0u, 1u, 2u, 3u) <= vec4u(query)); }
      weight[j] = select(vec4f(0.0), exp(weight[j] - lse[score_at(example, head, query)]), counts);
      factors[team][j][lane] = weight[j];
    }
    workgroupBarrier();
    load_douts(index, example, head, first);
    workgroupBarrier();
    var dscore = dweight_products(team, lane);
    accumulate(&dvalue, team, lane);
    workgroupBarrier();
    // @unroll
    for (var j = 0u; j < LANE_ROWS; j++) {
      let row_delta = delta[score_at(example, head, first + lane + j * TEAM)];
      factors[team][j][lane] = weight[j] * (dscore[j] - row_delta) * params.scale;
    }
    load_queries(index, example, head, first);
    workgroupBarrier();
    accumulate(&dkey, team, lane);
    workgroupBarrier();
  }

  // @unroll
  for (var i = 0u; i < 4u; i++) {
    if (first_key + i < params.keys) {
      // @unroll
      for (var c = 0u; c < LANE_VECTORS; c++) {
        let vector = lane + c * TEAM;
        if (vector < VECTORS) {
          dkv[kv_at(example, head, first_key + i, params.k_column) + vector] = dkey[i * LANE_VECTORS + c];
          dkv[kv_at(example, head, first_key + i, params.v_column) + vector] = dvalue[i * LANE_VECTORS + c];
        }
      }
    }
  }
}
