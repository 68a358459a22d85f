// Softmax attention in tiles: out = softmax(q kᵀ · scale + mask) v, per example and head, without storing the scores.
// Source: Dao et al., arXiv:2205.14135; running maximum as in Milakov & Gimelshein, arXiv:1805.02867.
//
// B examples, Tq queries, Tk keys, H heads of K = HEAD_WIDTH columns. q and kv are row-major matrices, given by row
// stride and first column in vectors of four; lse [B, H, Tq] is the logarithm of each row's sum of exponentials.
//
// A workgroup owns BLOCK queries of one head and walks the keys, TILE of them in workgroup memory at a time: K for the
// scores, then V in the same place. TEAM lanes share 4 queries, which lie in the components of one vector. A lane holds
// the scores of every TEAM-th key and the outputs of every TEAM-th vector of columns, so one product of the inner loops
// needs far fewer reads than multiply-adds. Lanes of a team read one query and neighbouring tile words: no bank
// conflicts. Arrays are nested so that lanes and rolled loops pick the outer indices, which are checked once, and
// expanded loops the innermost: addresses are one base plus constants. All sums run in a fixed order: deterministic.

const HEAD_WIDTH: u32 = 64u; // a multiple of 4
const MASK: bool = false; // read `mask` [B, Tk]: 1 where a key may be attended
const CAUSAL: bool = false; // query t attends to the keys 0 … t only
const BLOCK: u32 = 32u; // queries of a workgroup, a multiple of 4
const TILE: u32 = 16u; // keys in workgroup memory, a multiple of TEAM
const TEAM: u32 = 8u;
const VECTORS: u32 = HEAD_WIDTH / 4u;
const CHUNK: u32 = 4u; // vectors that an inner loop takes at once, a divisor of VECTORS
const CHUNKS: u32 = VECTORS / CHUNK;
const PAD: u32 = 1u + VECTORS % 2u; // makes rows an odd number of vectors: neighbours start in different banks
const TEAMS: u32 = BLOCK / 4u;
const LANES: u32 = TEAMS * TEAM;
const LANE_KEYS: u32 = TILE / TEAM;
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
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<StoredQ>;
@group(0) @binding(2) var<storage, read> kv: array<StoredKv>;
@group(0) @binding(3) var<storage, read> mask: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<StoredOut>;
@group(0) @binding(5) var<storage, read_write> lse_out: array<f32>;

const LOWEST: f32 = -1e30; // the score of what may not be attended

// A row of the tile.
struct Row {
  chunks: array<array<vec4f, CHUNK>, CHUNKS>,
  pad: array<vec4f, PAD>,
}

var<workgroup> query_block: array<array<array<mat4x4f, CHUNK>, CHUNKS>, TEAMS>; // 4 queries · scale, turned
var<workgroup> tile: array<array<Row, TEAM>, LANE_KEYS>; // K or V: [key / TEAM][key % TEAM]
var<workgroup> weights: array<array<array<vec4f, TEAM>, LANE_KEYS>, TEAMS>;
var<workgroup> partial: array<array<vec4f, TEAM>, TEAMS>; // what each lane of a team knows of its queries

// Copies TILE rows of K or V. Rows past the end repeat the last: they weigh nothing.
fn load_tile(index: u32, example: u32, first: u32, column: u32) {
  // @unroll
  for (var copy = 0u; copy < COPIES; copy++) {
    let at = copy * LANES + index;
    let row = at / VECTORS;
    if (row < TILE) {
      let key = example * params.keys + min(first + row, params.keys - 1u);
      let vector = at % VECTORS;
      tile[row / TEAM][row % TEAM].chunks[vector / CHUNK][vector % CHUNK] = vec4f(kv[key * params.kv_stride + column + vector]);
    }
  }
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let head = group.y;
  let example = group.z;
  let team = index / TEAM;
  let lane = index % TEAM;
  let first_query = group.x * BLOCK + team * 4u;
  let last_query = params.queries - 1u;
  let q_rows = select(example * params.queries, 0u, params.q_shared == 1u);
  let q_column = params.q_column + head * VECTORS;

  // Each team turns its 4 queries so that a vector holds one column of all four.
  // @unroll
  for (var c = 0u; c < LANE_VECTORS; c++) {
    let vector = lane + c * TEAM;
    if (vector < VECTORS) {
      var rows: mat4x4f;
      // @unroll
      for (var i = 0u; i < 4u; i++) {
        rows[i] = vec4f(q[(q_rows + min(first_query + i, last_query)) * params.q_stride + q_column + vector]) * params.scale;
      }
      query_block[team][vector / CHUNK][vector % CHUNK] = transpose(rows);
    }
  }

  var sum: array<vec4f, SUMS>; // [query · LANE_VECTORS + c]
  // @unroll
  for (var i = 0u; i < SUMS; i++) {
    sum[i] = vec4f(0.0);
  }
  var column: array<u32, LANE_VECTORS>; // a lane without columns of its own repeats the last
  // @unroll
  for (var c = 0u; c < LANE_VECTORS; c++) {
    column[c] = min(lane + c * TEAM, VECTORS - 1u);
  }
  var highest = vec4f(LOWEST);
  var total = vec4f(0.0); // over this lane's keys
  // Keys behind the block's last query count for none of it.
  let end = select(params.keys, min(params.keys, (group.x + 1u) * BLOCK), CAUSAL);
  for (var first = 0u; first < end; first += TILE) {
    load_tile(index, example, first, params.k_column + head * VECTORS);
    workgroupBarrier();

    var score: array<vec4f, LANE_KEYS>;
    // @unroll
    for (var j = 0u; j < LANE_KEYS; j++) {
      score[j] = vec4f(0.0);
    }
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
      // @unroll
      for (var d = 0u; d < CHUNK; d++) {
        let queries = query_block[team][chunk][d];
        // @unroll
        for (var j = 0u; j < LANE_KEYS; j++) {
          let key = tile[j][lane].chunks[chunk][d];
          score[j] += queries[0] * key.x;
          score[j] += queries[1] * key.y;
          score[j] += queries[2] * key.z;
          score[j] += queries[3] * key.w;
        }
      }
    }
    var peak = highest;
    // @unroll
    for (var j = 0u; j < LANE_KEYS; j++) {
      let key = first + lane + j * TEAM;
      var attended = key < params.keys;
      if (MASK) { attended = attended && mask[example * params.keys + min(key, params.keys - 1u)] != 0u; }
      var counts = vec4<bool>(attended);
      if (CAUSAL) { counts = counts & (vec4u(key) <= vec4u(first_query) + vec4u(0u, 1u, 2u, 3u)); }
      score[j] = select(vec4f(LOWEST), score[j], counts);
      peak = max(peak, score[j]);
    }
    partial[team][lane] = peak;
    workgroupBarrier();

    load_tile(index, example, first, params.v_column + head * VECTORS);
    // @unroll
    for (var other = 0u; other < TEAM; other++) {
      peak = max(peak, partial[team][other]);
    }
    let keep = exp(highest - peak);
    highest = peak;
    total *= keep;
    // @unroll
    for (var j = 0u; j < LANE_KEYS; j++) {
      // While every key so far is masked, the peak is LOWEST too: exp alone would give 1.
      let weight = select(vec4f(0.0), exp(score[j] - peak), score[j] > vec4f(LOWEST));
      total += weight;
      weights[team][j][lane] = weight;
    }
    // @unroll
    for (var i = 0u; i < SUMS; i++) {
      sum[i] *= keep[i / LANE_VECTORS];
    }
    workgroupBarrier();

    for (var j = 0u; j < LANE_KEYS; j++) {
      // @unroll
      for (var key = 0u; key < TEAM; key++) {
        let weight = weights[team][j][key];
        // @unroll
        for (var c = 0u; c < LANE_VECTORS; c++) {
          let value = tile[j][key].chunks[column[c] / CHUNK][column[c] % CHUNK];
          // @unroll
          for (var i = 0u; i < 4u; i++) {
            sum[i * LANE_VECTORS + c] += weight[i] * value;
          }
        }
      }
    }
    workgroupBarrier();
  }

  partial[team][lane] = total;
  workgroupBarrier();
  total = vec4f(0.0);
  // @unroll
  for (var other = 0u; other < TEAM; other++) {
    total += partial[team][other];
  }
  let norm = select(vec4f(0.0), 1.0 / total, total > vec4f(0.0)); // all keys masked: zero
  // Without a key, a huge value makes every weight of the backward passes exp(−huge) = 0.
  let lse = select(vec4f(1e30), highest + log(total), total > vec4f(0.0));
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    if (first_query + i < params.queries) {
      let to = ((example * params.queries + first_query + i) * params.heads + head) * VECTORS;
      // @unroll
      for (var c = 0u; c < LANE_VECTORS; c++) {
        if (lane + c * TEAM < VECTORS) { out[to + lane + c * TEAM] = StoredOut(sum[i * LANE_VECTORS + c] * norm[i]); }
      }
      if (lane == 0u) { lse_out[(example * params.heads + head) * params.queries + first_query + i] = lse[i]; }
    }
  }
}
