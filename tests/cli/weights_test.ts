/** `import` and `export` as processes. */
import assert from "node:assert/strict";
import { readCheckpoint } from "../../src/models/checkpoint.ts";
import { readModelFolder } from "../../src/storage/model_folder.ts";

const root = new URL("../../", import.meta.url);
const fixture = (name: string) => new URL(`tests/fixtures/pretrained/${name}`, root).pathname;

async function superbatch(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-P", "--quiet", "cli.ts", ...args],
    cwd: root,
    env: { NO_COLOR: "1", SUPERBATCH_DEBUG: "0" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

async function inFolder(check: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await check(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("weights are imported into a checkpoint, and exported from it", async () => {
  await inFolder(async (path) => {
    const file = `${path}/m.safetensors`, folder = `${path}/for/transformers`;
    const imported = await superbatch("import", fixture("siglip"), "--out", file, "--json");
    assert.equal(imported.code, 0, imported.error);
    const summary = JSON.parse(imported.out);
    assert.deepEqual([summary.file, summary.layout, summary.parameters, summary.tokenizer], [
      file,
      "siglip",
      28_346,
      true,
    ]);
    const { config, notes } = readCheckpoint(await Deno.readFile(file));
    assert.deepEqual(config, summary.config);
    assert.equal(notes.source, fixture("siglip"));

    const dry = await superbatch("export", file, "--out", folder, "--dry-run");
    assert.match(dry.out, /config\.json, .*\nmodel\.safetensors, .*would be written into/s);
    await assert.rejects(Deno.stat(folder));
    const exported = await superbatch("export", file, "--out", folder, "--json");
    assert.equal(exported.code, 0, exported.error);
    const { files, format, warnings } = JSON.parse(exported.out);
    assert.deepEqual([format, warnings], ["hugging-face", []]);
    for (const { name, bytes } of files) assert.equal((await Deno.stat(`${folder}/${name}`)).size, bytes);
    const [kept, original] = await Promise.all([readModelFolder(folder), readModelFolder(fixture("siglip"))]);
    assert.deepEqual([...kept.tensors.keys()].sort(), [...original.tensors.keys()].sort());
  });
});

Deno.test("a dry run of import checks and writes nothing", async () => {
  await inFolder(async (path) => {
    const file = `${path}/m.safetensors`;
    const { code, out } = await superbatch(
      "import",
      fixture("vit"),
      "--text",
      "mini",
      "--out",
      file,
      "--dry-run",
    );
    assert.equal(code, 0);
    assert.match(out, /timm, .*\ntext tower: 12 tokens of 2,048, .*not yet trained\nwould write /s);
    await assert.rejects(Deno.stat(file));
  });
});

Deno.test("what cannot be imported or exported is said", async () => {
  await inFolder(async (path) => {
    await Deno.writeTextFile(`${path}/config.json`, '{"model_type": "bert"}');
    await Deno.copyFile(`${fixture("siglip")}/model.safetensors`, `${path}/model.safetensors`);
    const cases: [string[], number, RegExp][] = [
      [["import", path], 1, /config\.json: "model_type" is "bert", expected "siglip"/],
      [["import", `${path}/none`], 1, /holds neither model\.safetensors nor/],
      [["import", "hf:owner"], 1, /"hf:owner" names no model of a hub/],
      [
        ["export", `${path}/model.safetensors`, "--out", `${path}/x`],
        1,
        /is no superbatch checkpoint.*superbatch import/,
      ],
      [["export", "m", "--out", "x", "--format", "hugging-fce"], 2, /hugging-face/],
      [["import", path, "--dryrun"], 2, /--dry-run/],
    ];
    for (const [args, code, message] of cases) {
      const ended = await superbatch(...args);
      assert.equal(ended.code, code, ended.error);
      assert.match(ended.error, message);
    }
  });
});
