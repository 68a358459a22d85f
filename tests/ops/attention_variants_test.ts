import assert from "node:assert/strict";
import { attentionSingleQuery, attentionTiled, attentionTiledBackward } from "../../src/gpu/shaders.gen.ts";
import { type ConstantValues, specialize } from "../../src/gpu/specialize.ts";
import { Graph } from "../../src/graph/graph.ts";
import { pooledAttention, selfAttention } from "../../src/ops/attention.ts";
import {
  attentionVariants,
  chunkVectors,
  rankedAttentionVariants,
  tiledBlock,
} from "../../src/ops/attention_variants.ts";

const own = (tokens: number, headWidth: number) => ({
  queries: tokens,
  keys: tokens,
  headWidth,
  sharedQueries: false,
});
const probe = (keys: number, headWidth: number) => ({ queries: 1, keys, headWidth, sharedQueries: true });

/** Bytes of the workgroup variables that a WGSL text declares. */
function declaredBytes(source: string, constants: ConstantValues): number {
  // Loops need not be valid here: only declarations are read.
  const text = specialize(source.replaceAll("// @unroll", ""), constants);
  const values = new Map<string, bigint>();
  const evaluate = (expression: string): bigint =>
    // whole numbers: quotients are cut off as in WGSL
    new Function(
      `return ${expression.replace(/(\d+)u/g, "$1n").replace(/[A-Z]\w*/g, (name) => `${values.get(name)}n`)}`,
    )();
  for (const [, name, expression] of text.matchAll(/\bconst (\w+): u32 = ([^;]+);/g)) {
    values.set(name, evaluate(expression));
  }
  const types: Record<string, number> = { f32: 4, vec4f: 16, mat4x4f: 64 };
  const sizeOf = (type: string): number => {
    const array = /^array<(.+), ([^,<>]+)>$/.exec(type.trim());
    return array ? sizeOf(array[1]) * Number(evaluate(array[2])) : types[type.trim()];
  };
  const row = /struct Row \{([^}]+)\}/.exec(text);
  if (row) {
    types.Row = [...row[1].matchAll(/\w+: (.+),/g)].reduce((sum, [, type]) => sum + sizeOf(type), 0);
  }
  return [...text.matchAll(/var<workgroup> \w+: ([^;]+);/g)].reduce((sum, [, type]) => sum + sizeOf(type), 0);
}

Deno.test("a variant asks for the workgroup memory that its kernels declare, within its budget", () => {
  for (let headWidth = 4; headWidth <= 256; headWidth += 4) {
    for (const tokens of [1, 5, 16, 49, 257]) {
      const geometry = own(tokens, headWidth), variants = attentionVariants(geometry);
      assert.equal(variants[0].name, "direct");
      for (const { name, workgroupBytes, invocations } of variants.slice(1)) {
        if (name !== "tiled" && name !== "tiled-large") throw new Error(`${name} for self-attention`);
        assert.ok(invocations <= 256 && workgroupBytes <= (name === "tiled" ? 16384 : 49152));
        const declared = (["forward", "backward_query", "backward_key"] as const).map((pass) =>
          declaredBytes((pass === "forward" ? attentionTiled : attentionTiledBackward).source, {
            HEAD_WIDTH: headWidth,
            CHUNK: chunkVectors(headWidth),
            ...tiledBlock(name, pass, geometry)!,
          })
        );
        assert.equal(
          workgroupBytes,
          Math.max(...declared),
          `${name}, ${tokens} tokens, head width ${headWidth}`,
        );
      }
    }
    const single = attentionVariants(probe(49, headWidth))[0];
    assert.equal(single.name, "single-query");
    const declared = declaredBytes(attentionSingleQuery.source, { HEAD_WIDTH: headWidth });
    assert.equal(single.workgroupBytes, declared);
  }
});

Deno.test("variants are ranked by the geometry and by what the adapter can run", () => {
  const gpu = (workgroupBytes: number) => ({ software: false, workgroupBytes, workgroupInvocations: 256 });
  const software = { software: true, workgroupBytes: 32768, workgroupInvocations: 1024 };
  const ranked = rankedAttentionVariants;
  assert.deepEqual(ranked(own(49, 64), software), ["direct"]);
  assert.deepEqual(ranked(own(49, 64), gpu(16384)), ["tiled", "direct"]);
  assert.deepEqual(ranked(own(49, 64), gpu(49152)), ["tiled-large", "tiled", "direct"]);
  assert.deepEqual(ranked(own(49, 64), { ...gpu(49152), workgroupInvocations: 1 }), []);
  assert.deepEqual(ranked(probe(49, 64), gpu(16384)), ["single-query", "direct"]);
  assert.deepEqual(ranked(probe(49, 64), software), ["direct"]);
  assert.deepEqual(ranked({ ...own(49, 64), queries: 1, lastQuery: true }, gpu(49152)), ["direct"]);
});

Deno.test("attention refuses a variant that cannot compute it, and every variant counts the same operations", () => {
  const flops = (build: (graph: Graph) => void) => {
    const graph = new Graph();
    build(graph);
    return graph.dispatches.reduce((sum, dispatch) => sum + dispatch.flops, 0);
  };
  const range = { buffer: {} as GPUBuffer, offsetBytes: 0, sizeBytes: 10 * 48 * 4 };
  const counted = (["direct", "tiled"] as const).map((variant) =>
    flops((graph) => {
      const qkv = graph.external("qkv", [10, 48], range, { differentiable: true });
      const out = selfAttention(graph, qkv, { examples: 2, heads: 2, variant });
      graph.backward([[out, graph.temporary("d out", out.shape)]]);
    })
  );
  const products = 2 * 5 * 5 * 16;
  assert.deepEqual(counted, [18 * products, 18 * products]);
  const pooled = (["direct", "single-query"] as const).map((variant) =>
    flops((graph) => {
      const q = graph.external("q", [1, 16], range, { differentiable: true });
      const kv = graph.external("kv", [10, 32], range, { differentiable: true });
      const out = pooledAttention(graph, q, kv, { examples: 2, heads: 2, variant });
      graph.backward([[out, graph.temporary("d out", out.shape)]]);
    })
  );
  assert.deepEqual(pooled, [18 * 2 * 5 * 16, 18 * 2 * 5 * 16]);
  const graph = new Graph(), qkv = graph.temporary("qkv", [10, 48]);
  assert.throws(() => selfAttention(graph, qkv, { examples: 2, heads: 2, variant: "single-query" }), {
    name: "RangeError",
    message: /5 queries and 5 keys, heads of 8, by "single-query": choose direct, tiled/,
  });
});
