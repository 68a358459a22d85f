/** Writes every shader as JSON, as it stands and with its switches on and loops expanded, for check_shaders.mjs. */
import * as shaders from "../src/gpu/shaders.gen.ts";
import { enableLines } from "../src/gpu/kernel.ts";
import { specialize } from "../src/gpu/specialize.ts";
import type { Shader } from "../src/gpu/shader.ts";

const variants = Object.values<Shader>(shaders).flatMap(({ name, source, constants, entryPoints }) => {
  const switches = Object.fromEntries(
    Object.keys(constants).filter((constant) => constants[constant] === "bool").map((constant) => [constant, true]),
  );
  const entries = Object.keys(entryPoints);
  const enabled = enableLines(source, false);
  // The lane of a broadcast must be constant, which it is only once the loop around it is expanded.
  const whole = source.includes("subgroupBroadcast(") ? [] : [{ name, source: enabled + source, entries }];
  return [
    ...whole,
    { name: `${name}, specialised`, source: enabled + specialize(source, switches), entries },
  ];
});
console.log(JSON.stringify(variants));
