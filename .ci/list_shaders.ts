/** Writes every shader as JSON, as it stands and with its switches on and loops expanded, for check_shaders.mjs. */
import * as shaders from "../src/gpu/shaders.gen.ts";
import { specialize } from "../src/gpu/specialize.ts";
import type { Shader } from "../src/gpu/shader.ts";

const variants = Object.values<Shader>(shaders).flatMap(({ name, source, constants, entryPoints }) => {
  const switches = Object.fromEntries(
    Object.keys(constants).filter((constant) => constants[constant] === "bool").map((constant) => [constant, true]),
  );
  const entries = Object.keys(entryPoints);
  return [{ name, source, entries }, { name: `${name}, specialised`, source: specialize(source, switches), entries }];
});
console.log(JSON.stringify(variants));
