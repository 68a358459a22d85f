import assert from "node:assert/strict";
import * as shaders from "../../src/gpu/shaders.gen.ts";
import type { Shader } from "../../src/gpu/shader.ts";
import { specialize } from "../../src/gpu/specialize.ts";

Deno.test("constants of every type are rewritten, others stay", () => {
  const source =
    "const A: u32 = 1u;\nconst B: bool = false;\nconst C: f32 = 1.5;\nconst D: i32 = -1i;\nconst E: u32 = A * 2u;";
  assert.equal(
    specialize(source, { A: 8, B: true, C: 2, D: -3, E: undefined }),
    "const A: u32 = 8u;\nconst B: bool = true;\nconst C: f32 = 2.0;\nconst D: i32 = -3i;\nconst E: u32 = A * 2u;",
  );
  assert.equal(specialize("const C: f32 = 1.0;", { C: 1e-8 }), "const C: f32 = 1e-8;");
});

Deno.test("a constant that is not declared is refused by name", () => {
  for (const source of ["const TILE: u32 = 1u;", "", "// const SIZE = 3;", "const SIZES: u32 = 1u;"]) {
    assert.throws(() => specialize(source, { SIZE: 2 }), { name: "RangeError", message: /"SIZE"/ });
  }
});

Deno.test("an alias is halved, also one of another alias, and nothing else", () => {
  const source =
    "alias Vector = vec4f;\nalias StoredA = Vector;\nalias StoredB = f32;\nalias StoredC = vec2f;";
  assert.equal(specialize(source, {}), source);
  assert.equal(
    specialize(source, {}, ["StoredA", "StoredB", "StoredC"]),
    "alias Vector = vec4f;\nalias StoredA = vec4h;\nalias StoredB = f16;\nalias StoredC = vec2h;",
  );
  for (const alias of ["StoredD", "Stored", "Index"]) {
    assert.throws(() => specialize(`${source}\nalias Index = u32;`, {}, [alias]), {
      name: "RangeError",
      message: new RegExp(`"${alias}"`),
    });
  }
});

/** What a text has between its lines. */
const dense = (text: string) => text.replace(/\s+/g, "");

Deno.test("marked loops are expanded, unmarked ones stay", () => {
  const loop = "for (var i = 0u; i < 3u; i++) { a[i] = i_b; }";
  assert.equal(dense(specialize(`// @unroll\n${loop}`, {})), "{a[0u]=i_b;}{a[1u]=i_b;}{a[2u]=i_b;}");
  assert.equal(specialize(loop, {}), loop);
});

Deno.test("bounds may be expressions of constants, as they are after rewriting", () => {
  const source =
    "const N: u32 = 4u;\nconst HALF: u32 = (N + 2u) / 2u - 1u;\n// @unroll\nfor (var i: u32 = 1u; i < HALF * 2u; i += 2u) { f(i); }";
  assert.equal(dense(specialize(source, {}).split("\n").slice(2).join("")), "{f(1u);}{f(3u);}");
  assert.equal(
    dense(specialize(source, { N: 8 }).split("\n").slice(2).join("")),
    "{f(1u);}{f(3u);}{f(5u);}{f(7u);}",
  );
  assert.equal(dense(specialize("// @unroll\nfor (var i = 2u; i < 2u; i++) { f(i); }", {})), "");
});

Deno.test("nested marked loops are expanded, and braces inside bodies are kept", () => {
  const source =
    "// @unroll\nfor (var i = 0u; i < 2u; i++) {\n  if (x) { g(i); }\n  // @unroll\n  for (var j = i; j < 2u; j++) { f(i, j); }\n}";
  assert.equal(
    dense(specialize(source, {})),
    "{if(x){g(0u);}{f(0u,0u);}{f(0u,1u);}}{if(x){g(1u);}{f(1u,1u);}}",
  );
});

Deno.test("loops that cannot be expanded are refused", () => {
  const refused = (source: string, message: RegExp) =>
    assert.throws(() => specialize(source, {}), { name: "SyntaxError", message });
  refused("// @unroll\nfor (var i = 0u; i < params.size; i++) { }", /"i".*params\.size/);
  refused("// @unroll\nwhile (true) { }", /expected "for/);
  refused("// @unroll\nfor (var i = 0u; i <= 3u; i++) { }", /expected "for/);
  refused("// @unroll\nfor (var i = 0u; i < 3u; i++) { f(i);", /closing brace/);
});

Deno.test("every marked loop of every shader expands, also when constants are given", () => {
  for (const { name, source, constants } of Object.values(shaders) as Shader[]) {
    const own = Object.entries(constants).flatMap(([constant, type]) => {
      const value = new RegExp(`const ${constant}: \\w+ = (\\d+|true|false)[ui]?;`).exec(source)?.[1];
      return value === undefined || type === "f32"
        ? []
        : [[constant, type === "bool" ? value === "true" : Number(value)]];
    });
    const text = specialize(source, Object.fromEntries(own));
    assert.equal(text, specialize(source, {}), name);
    assert.ok(!text.includes("@unroll"), name);
  }
});
