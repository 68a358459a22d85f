/** Fine-tuning imported weights by the command, on the default data. */
import assert from "node:assert/strict";
import { readCheckpoint } from "../../src/models/checkpoint.ts";
import { inFolder, runFolders, superbatch, tinyTraining } from "./superbatch.ts";

const fixture = (name: string) => new URL(`../fixtures/pretrained/${name}`, import.meta.url).pathname;

Deno.test("a run starts from imported weights, keeps the locked tower and is evaluated again", async () => {
  await inFolder(async (folder) => {
    const file = `${folder}/start.safetensors`;
    const imported = await superbatch(["import", fixture("clip"), "--out", file]);
    assert.equal(imported.code, 0, imported.error);
    const options = [
      "--init",
      file,
      "--lock",
      "image",
      "--layer-decay",
      "0.8",
      "--loss",
      "softmax",
      "--json",
    ];
    const { code, out, error } = await superbatch(tinyTraining(folder, ...options));
    assert.equal(code, 0, error);
    const [run] = runFolders(folder);
    const start = readCheckpoint(await Deno.readFile(file));
    for (const name of ["learner", "reference"]) {
      const end = readCheckpoint(await Deno.readFile(`${run}/${name}.safetensors`));
      assert.deepEqual(end.config, start.config);
      assert.equal(end.notes.tokenizer, start.notes.tokenizer);
      for (const [parameter, values] of end.parameters) {
        if (parameter.startsWith("image.")) {
          assert.deepEqual(values, start.parameters.get(parameter), parameter);
        }
      }
      assert.notDeepEqual(end.parameters.get("text.head.weight"), start.parameters.get("text.head.weight"));
    }
    const { config, ...saved } = JSON.parse(await Deno.readTextFile(`${run}/config.json`));
    assert.equal(config, undefined);
    assert.deepEqual([saved.init, saved.lock, saved.imageSize, saved.initial], [
      file,
      "image",
      16,
      undefined,
    ]);
    const again = await superbatch(["eval", run, "--json"], { env: { SUPERBATCH_CACHE: `${folder}/cache` } });
    assert.equal(again.code, 0, again.error);
    assert.deepEqual(JSON.parse(again.out).learner, JSON.parse(out).evaluation);

    const planned = await superbatch(["plan", "--init", file, "--lock", "image", "--json"]);
    assert.equal(planned.code, 0, planned.error);
    assert.equal(JSON.parse(planned.out).parameterCount, 41_874);
  });
});

Deno.test("weights that a run cannot start from are said before anything is made", async () => {
  await inFolder(async (folder) => {
    const file = `${folder}/start.safetensors`;
    await superbatch(["import", fixture("clip_first"), "--out", file]);
    const cases: [string[], number, RegExp][] = [
      [
        ["--init", file],
        1,
        /start\.safetensors holds no tokenizer.*import it from a folder with tokenizer\.json/,
      ],
      [["--init", `${folder}/none`], 1, /none.*no such file/],
      [["--lock", "text"], 2, /--lock text keeps a tower that was never trained: add --init FILE/],
    ];
    for (const [options, code, message] of cases) {
      const ended = await superbatch(tinyTraining(folder, ...options));
      assert.equal(ended.code, code, ended.error);
      assert.match(ended.error, message);
    }
    assert.deepEqual(runFolders(folder), []);
  });
});
