/** The floors of docs/architecture.md, held by reading the imports. */
import assert from "node:assert/strict";

const root = new URL("../", import.meta.url);
const floors = [
  ["gpu"],
  ["graph"],
  ["ops"],
  ["losses", "optim"],
  ["selection"],
  ["models"],
  ["train"],
  ["report"],
  ["run"],
  ["reproduce"],
  ["cli"],
];
/** Folders beside the floors and what they may import: none of them knows the GPU. */
const beside: Record<string, string[]> = {
  random: [],
  storage: [],
  eval: ["random"],
  curation: ["random"],
  data: ["random", "storage"],
  config: ["curation", "data", "losses", "models", "optim", "selection"], // the tables of names, and defaults
};

async function sources(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(new URL(folder, root))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...await sources(path));
    else if (path.endsWith(".ts")) found.push(path);
  }
  return found.sort();
}

const files = await sources("src");
const texts = new Map(
  await Promise.all(files.map(async (path) => [path, await Deno.readTextFile(new URL(path, root))] as const)),
);
const code = (path: string) => texts.get(path)!.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");

Deno.test("imports go downwards only", () => {
  const floorOf = (folder: string) => floors.findIndex((floor) => floor.includes(folder));
  for (const path of files) {
    const folder = path.split("/")[1];
    for (const [, target] of code(path).matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const other = new URL(target, new URL(path, root)).href.slice(root.href.length).split("/")[1];
      if (other === folder) continue;
      const allowed = folder in beside
        ? beside[folder].includes(other)
        : other in beside || floorOf(other) < floorOf(folder);
      assert.ok(allowed, `${path} may not import ${target}: ${folder} stands below ${other}`);
    }
  }
});

Deno.test("only src/gpu calls WebGPU", () => {
  for (const path of files.filter((path) => !path.startsWith("src/gpu/"))) {
    const found = /GPUDevice|GPUBufferUsage|navigator\.gpu|createBindGroup|createComputePipeline|writeBuffer/
      .exec(code(path));
    assert.equal(found, null, `${path} uses ${found?.[0]}: that belongs in src/gpu`);
  }
});

Deno.test("only cli, data, report and storage touch the system", () => {
  for (const path of files.filter((path) => !/^src\/(cli|data|report|storage)\//.test(path))) {
    assert.ok(!/\bDeno\./.test(code(path)), `${path} uses Deno: it must run in a browser`);
  }
});

Deno.test("no file is called utils, and none is longer than 450 lines", () => {
  for (const path of files) {
    assert.ok(!/\/(utils|helpers|misc|common)\.ts$/.test(path), `${path}: its name says nothing`);
    const lines = texts.get(path)!.split("\n").length;
    assert.ok(lines <= 450 || path.endsWith(".gen.ts"), `${path} has ${lines} lines: it asks to be two`);
  }
});
