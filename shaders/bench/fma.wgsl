// Multiply-adds in registers only: the rate that no kernel of this adapter can exceed.
//
// Each invocation keeps CHAINS independent vectors of four and adds to each in turn, so that latency is hidden; a chain
// is s ← s · a + b with |a| < 1, which neither grows nor vanishes. Per invocation: rounds · CHAINS · 4 multiply-adds.
// The sum is written, so that nothing can be left out. Deterministic.

const CHAINS: u32 = 16u;
const WORKGROUP: u32 = 64u;

struct Params {
  rounds: u32,
  a: f32, // from the host, so that the compiler cannot fold the loop
  b: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>; // [invocations]

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let a = vec4f(params.a);
  let b = vec4f(params.b);
  var sum: array<vec4f, CHAINS>;
  // @unroll
  for (var i = 0u; i < CHAINS; i++) {
    sum[i] = vec4f(f32(id.x + i));
  }
  for (var round = 0u; round < params.rounds; round++) {
    // @unroll
    for (var i = 0u; i < CHAINS; i++) {
      sum[i] = fma(sum[i], a, b);
    }
  }
  var total = vec4f(0.0);
  // @unroll
  for (var i = 0u; i < CHAINS; i++) {
    total += sum[i];
  }
  y[id.x] = total.x + total.y + total.z + total.w;
}
