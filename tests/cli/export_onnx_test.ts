/** superbatch export --format onnx, as a process. */
import assert from "node:assert/strict";
import { runOnnx } from "../models/onnx/interpreter.ts";

const root = new URL("../../", import.meta.url);

async function superbatch(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-P", "--quiet", "cli.ts", ...args],
    cwd: root,
    env: { NO_COLOR: "1", SUPERBATCH_DEBUG: "0" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

const names = (folder: string) => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

Deno.test("export --format onnx writes what --dry-run said, and nothing else is written", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const model = `${folder}/clip.safetensors`;
    const imported = await superbatch("import", "tests/fixtures/pretrained/clip", "--out", model);
    assert.equal(imported.code, 0, imported.error);
    const args = ["export", model, "--format", "onnx", "--out", `${folder}/onnx-model`, "--json"];
    const said = await superbatch(...args, "--dry-run");
    assert.equal(said.code, 0, said.error);
    assert.deepEqual(names(folder), ["clip.safetensors"], "a dry run writes nothing");

    const done = await superbatch(...args);
    assert.equal(done.code, 0, done.error);
    const { files, folder: out } = JSON.parse(done.out);
    assert.deepEqual(files, JSON.parse(said.out).files);
    for (const { name, bytes } of files) assert.equal((await Deno.stat(`${out}/${name}`)).size, bytes, name);
    assert.deepEqual(names(`${out}/onnx`), ["model.onnx", "text_model.onnx", "vision_model.onnx"]);

    const other = await superbatch(...args, "--dry-run", "--patch", "4");
    assert.ok(JSON.parse(other.out).files[1].bytes !== files[1].bytes, "another number of positions");
    const odd = await superbatch(...args, "--patch", "5");
    assert.equal(odd.code, 1);
    assert.match(odd.error, /patches of 5: choose a divisor/);

    const ids = { shape: [1, 11], data: [0, 5, 6, 1, 1, 1, 1, 1, 1, 1, 1] };
    const { text_embeds } = runOnnx(await Deno.readFile(`${out}/onnx/text_model.onnx`), { input_ids: ids });
    assert.ok(Math.abs(Math.hypot(...Array.from(text_embeds.data)) - 1) < 1e-6);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an unknown format, a file that is no checkpoint and a folder that cannot be made are refused", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { code, error } = await superbatch("export", "x.safetensors", "--format", "onxx", "--out", folder);
    assert.equal(code, 2);
    assert.match(error, /hugging-face.*onnx/);

    const weights = "tests/fixtures/pretrained/clip/model.safetensors";
    const wrong = await superbatch("export", weights, "--format", "onnx", "--out", folder);
    assert.equal(wrong.code, 1);
    assert.match(wrong.error, /no superbatch checkpoint/);

    const model = `${folder}/siglip.safetensors`;
    await superbatch("import", "tests/fixtures/pretrained/siglip", "--out", model);
    const taken = await superbatch("export", model, "--format", "onnx", "--out", `${model}/inside`);
    assert.equal(taken.code, 1);
    assert.match(taken.error, /^Error: Cannot write .*siglip\.safetensors/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
