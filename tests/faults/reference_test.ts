/** `train --reference FILE`: a checkpoint of any size in place of a reference of the run's own. */
import assert from "node:assert/strict";
import type { RunSummary } from "../../src/train/record.ts";
import { files, inFolder, runFolders, superbatch, tinyTraining } from "./superbatch.ts";

Deno.test("a checkpoint serves as the reference, with its own size and tokenizer, and bad ones are refused", () =>
  inFolder(async (folder) => {
    const first = await superbatch(tinyTraining(folder, "--json", "--quiet", "--preset", "midi"));
    assert.equal(first.code, 0, first.error);
    const wide: RunSummary = JSON.parse(first.out), checkpoint = `${wide.run}/reference.safetensors`;

    // Another pool, so that the tokenizers differ.
    const named = await superbatch(
      tinyTraining(
        folder,
        "--json",
        "--quiet",
        "--reference",
        checkpoint,
        "--caption-noise",
        "0.5",
        "--in-domain",
        "0.3",
      ),
    );
    assert.equal(named.code, 0, named.error);
    const summary: RunSummary = JSON.parse(named.out);
    assert.equal(summary.flops.referenceTrain, 0);
    assert.ok(summary.flops.referenceScore > 0);
    assert.deepEqual(summary.reference, wide.reference, "it reads the captions by its own tokenizer");
    const tokenizer = (run: string) => Deno.readTextFileSync(`${run}/tokenizer.json`);
    assert.notEqual(tokenizer(summary.run), tokenizer(wide.run));
    const again = await superbatch(["eval", summary.run, "--json", "--quiet"]);
    assert.equal(again.code, 0, again.error);
    assert.deepEqual(JSON.parse(again.out).reference, wide.reference);

    const runs = runFolders(folder).length;
    for (
      const [file, more, message] of [
        [`${folder}/none.safetensors`, [], /Cannot read .*none\.safetensors/],
        [
          checkpoint,
          ["--image-size", "64"],
          /looks at pictures of 32 pixels, the pool's have 64: use --image-size 32/,
        ],
        [`${wide.run}/tokenizer.json`, [], /tokenizer\.json/],
      ] as const
    ) {
      const refused = await superbatch(tinyTraining(folder, "--quiet", "--reference", file, ...more));
      assert.equal(refused.code, 1, refused.out);
      assert.match(refused.error, message);
    }
    assert.ok(runFolders(folder).length >= runs);
  }));

Deno.test("several references count as one: trained on several seeds or sets, named, or scored with", () =>
  inFolder(async (folder) => {
    const train = async (...more: string[]) => {
      const ended = await superbatch(tinyTraining(folder, "--json", "--quiet", ...more));
      assert.equal(ended.code, 0, ended.error);
      return JSON.parse(ended.out) as RunSummary;
    };
    const names = ["reference-1.safetensors", "reference-2.safetensors"];
    const written = ({ run }: RunSummary) => files(run).filter((name) => name.startsWith("reference"));
    const [one, two] = [await train(), await train("--references", "2")];
    assert.deepEqual(written(one), ["reference.safetensors"]);
    assert.deepEqual(written(two), names);
    assert.deepEqual(
      Deno.readFileSync(`${two.run}/${names[0]}`),
      Deno.readFileSync(`${one.run}/reference.safetensors`),
      "the first is that of the run's own seed, and was kept",
    );
    assert.equal(two.flops.referenceTrain, one.flops.referenceTrain, "only the second was trained");
    assert.notDeepEqual(two.reference, one.reference);
    const evaluated = await superbatch(["eval", two.run, "--json", "--quiet"]);
    assert.deepEqual(JSON.parse(evaluated.out).reference, two.reference, evaluated.error);

    const both = names.map((name) => `${two.run}/${name}`).join("::");
    const named = await train("--reference", both);
    assert.deepEqual(named.reference, two.reference);
    assert.deepEqual(named.loss, two.loss, "the same selection, the same training");
    assert.deepEqual(written(named), names);

    const broad = await train("--reference-data", "curated+pool");
    assert.deepEqual(written(broad), names);
    assert.notDeepEqual(broad.reference, two.reference);

    const dry = await superbatch(tinyTraining(folder, "--references", "3", "--dry-run"));
    assert.match(dry.out, /train 3 references for 2 steps each, unless they are kept/);
    const missing = await superbatch(
      tinyTraining(folder, "--quiet", "--reference", `${both}::${folder}/none`),
    );
    assert.equal(missing.code, 1);
    assert.match(missing.error, /Cannot read .*none/);
  }));

Deno.test("scored pairs take the reference's place, as Parquet or JSON lines, on their own pool alone", () =>
  inFolder(async (folder) => {
    const cache = ["--cache", `${folder}/cache`, "--pool-size", "200"];
    const own = [...cache, "--reference-steps", "2", "--batch", "8"];
    const trained = await superbatch(tinyTraining(folder, "--json", "--quiet"));
    assert.equal(trained.code, 0, trained.error);
    const wanted: RunSummary = JSON.parse(trained.out);
    for (const file of [`${folder}/s.parquet`, `${folder}/s.jsonl`]) {
      const scored = await superbatch(["score", ...own, "--out", file, "--json", "--quiet"]);
      assert.equal(scored.code, 0, scored.error);
      const { pairs, width, median, highest } = JSON.parse(scored.out);
      assert.deepEqual([pairs, width], [200, 64]);
      assert.ok(median <= highest && highest <= 0);
      const run = await superbatch(tinyTraining(folder, "--json", "--quiet", "--scored", file));
      assert.equal(run.code, 0, run.error);
      const summary: RunSummary = JSON.parse(run.out);
      assert.deepEqual(summary.loss, wanted.loss, "the same selection, the same training");
      assert.deepEqual(summary.evaluation, wanted.evaluation);
      assert.equal(summary.reference, undefined);
      const evaluated = await superbatch(["eval", summary.run, "--json", "--quiet"]);
      assert.deepEqual(Object.keys(JSON.parse(evaluated.out)), ["learner"]);
    }
    for (const method of ["reference-score", "deduplicate"]) {
      const list = `${folder}/${method}.jsonl`;
      const curated = await superbatch(
        ["curate", `${folder}/s.parquet`, "--method", method, "--keep", ".25", "--out", list, "--json"],
      );
      assert.deepEqual(JSON.parse(curated.out), { file: list, method, pairs: 200, kept: 50 }, curated.error);
      const lines = (await Deno.readTextFile(list)).trim().split("\n").map((line) => JSON.parse(line));
      assert.equal(new Set(lines.map(({ key }) => key)).size, 50);
      const run = await superbatch(
        tinyTraining(folder, "--quiet", "--sampler", "uniform", "--curate", method, "--keep", ".25"),
      );
      assert.equal(run.code, 0, run.error);
    }
    const damaged = await superbatch(["curate", `${folder}/deduplicate.jsonl`]);
    assert.equal(damaged.code, 1);
    assert.match(damaged.error, /deduplicate\.jsonl holds no scored pairs: .* Make it with superbatch score/);
    const other = await superbatch(
      tinyTraining(folder, "--quiet", "--scored", `${folder}/s.parquet`, "--in-domain", ".5"),
    );
    assert.equal(other.code, 1);
    assert.match(other.error, /s\.parquet was scored on other pairs than the pool's 200/);
  }));
