import assert from "node:assert/strict";
import { readModelFolder, shardsOf } from "../../src/storage/model_folder.ts";

const sharded = new URL("../fixtures/pretrained/clip_first", import.meta.url).pathname;

/** A copy of a sharded folder, changed. */
async function withCopy(change: (path: string) => Promise<void>, check: (path: string) => Promise<void>) {
  const path = await Deno.makeTempDir();
  try {
    for await (const { name } of Deno.readDir(sharded)) {
      await Deno.copyFile(`${sharded}/${name}`, `${path}/${name}`);
    }
    await change(path);
    await check(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

const shards = async (path: string) =>
  (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name)
    .filter((name) => name.startsWith("model-")).sort();

Deno.test("a sharded folder gives every tensor with its file, and no file that is not weights", async () => {
  const { tensors, texts } = await readModelFolder(sharded);
  const files = new Set([...tensors.values()].map(({ file }) => file));
  assert.deepEqual([...files].sort(), await shards(sharded));
  assert.ok(tensors.has("logit_scale") && !tensors.has("output.image"));
  assert.deepEqual([...texts.keys()], ["config.json", "preprocessor_config.json"]);
});

Deno.test("a missing, cut or exchanged shard is named", async () => {
  const [first, second] = await shards(sharded);
  await withCopy((path) => Deno.remove(`${path}/${second}`), async (path) => {
    await assert.rejects(readModelFolder(path), {
      name: "FileError",
      message: new RegExp(`${second}.*no such file`),
    });
  });
  await withCopy((path) => Deno.truncate(`${path}/${second}`, 2000), async (path) => {
    await assert.rejects(readModelFolder(path), {
      name: "SafetensorsError",
      message: new RegExp(`${second}.*cut short`),
    });
  });
  await withCopy((path) => Deno.copyFile(`${path}/${first}`, `${path}/${second}`), async (path) => {
    await assert.rejects(readModelFolder(path), {
      name: "SafetensorsError",
      message: new RegExp(`${second}", tensor ".*says that it holds this tensor, and it does not`),
    });
  });
});

Deno.test("an index that names files elsewhere, or none, is refused", () => {
  const index = (map: unknown) => () => shardsOf(JSON.stringify({ weight_map: map }), "index.json");
  for (const file of ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "weights.bin", 3]) {
    assert.throws(index({ tensor: file }), {
      name: "SafetensorsError",
      message: /is no safetensors file beside/,
    });
  }
  for (const map of [undefined, {}, null, 7]) {
    assert.throws(index(map), { name: "SafetensorsError", message: /no "weight_map"/ });
  }
  assert.throws(() => shardsOf("{", "index.json"), {
    name: "SafetensorsError",
    message: /index\.json.*no JSON/,
  });
});

Deno.test("a folder without weights says what to do", async () => {
  const path = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${path}/pytorch_model.bin`, "");
    await assert.rejects(readModelFolder(path), {
      name: "FileError",
      message: /neither.*saved as safetensors first/,
    });
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
