// Where captions end: y[b] = b · T + the first t whose token is `end`; 0 in place of t where none is.
// With HIGHEST, the first t with the highest id (CLIP's first tokenizer gives its end token the highest id).
//
// tokens [B, T]; y [B]. One invocation walks one caption. Deterministic.

const HIGHEST: bool = false;
const WORKGROUP: u32 = 64u;

struct Params {
  examples: u32, // B
  tokens: u32, // T
  end: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let example = id.y * groups.x * WORKGROUP + id.x;
  if (example >= params.examples) { return; }
  let first = example * params.tokens;
  var place = 0u;
  var best = 0u;
  for (var t = 0u; t < params.tokens; t++) {
    let token = tokens[first + t];
    // A rank above all before it: the id itself, or 1 for the end token.
    let rank = select(select(0u, 1u, token == params.end), token, HIGHEST);
    if (rank > best) {
      best = rank;
      place = t;
    }
  }
  y[example] = first + place;
}
