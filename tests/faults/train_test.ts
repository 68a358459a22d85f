/** `train` from the outside: what it leaves behind when all goes well, and when it does not. */
import assert from "node:assert/strict";
import type { RunSummary } from "../../src/train/record.ts";
import { files, inFolder, runFolders, start, status, superbatch, tinyTraining } from "./superbatch.ts";

const evaluationKeys = ["imageToText", "textToImage", "zeroShot"];

Deno.test("train, eval and search: results on stdout, everything in the folder, damage explained", () =>
  inFolder(async (folder) => {
    const first = await superbatch(tinyTraining(folder, "--compare", "uniform", "--json"));
    assert.equal(first.code, 0, first.error);
    const summary: RunSummary = JSON.parse(first.out); // nothing else is on stdout
    assert.deepEqual(Object.keys(summary).sort(), [
      "adapter",
      "arm",
      "compare",
      "drawnExamples",
      "evaluation",
      "flops",
      "loss",
      "precision",
      "reference",
      "run",
      "seconds",
      "steps",
      "trainedExamples",
    ]);
    assert.deepEqual([summary.steps, summary.trainedExamples, summary.drawnExamples], [2, 16, 160]);
    assert.deepEqual(Object.keys(summary.evaluation).sort(), evaluationKeys);
    assert.ok(summary.flops.referenceTrain > 0);
    const [run] = runFolders(folder);
    assert.equal(summary.run, run);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(`${run}/summary.json`)), summary);
    assert.deepEqual(status(run), { status: "complete" });
    assert.deepEqual(files(run), [
      "config.json",
      "learner.safetensors",
      "metrics.jsonl",
      "reference.safetensors",
      "report.html",
      "selection.jsonl",
      "status.json",
      "summary.json",
      "tokenizer.json",
      "uniform.safetensors",
    ]);
    const { adapter, kernels } = JSON.parse(await Deno.readTextFile(`${run}/config.json`));
    assert.deepEqual(
      [adapter, kernels],
      [summary.adapter, "defaults"],
      "which kernels it ran on is written down",
    );
    assert.match(first.error, /train the reference.*2\/2/);
    assert.match(first.error, /^Memory: [\d.]+ MiB planned \(.* model and optimiser, .* activations\)$/m);

    // The same again: the same bits, and the reference is not trained twice.
    const second = await superbatch(tinyTraining(folder, "--json", "--quiet"));
    assert.deepEqual([second.code, second.error], [0, ""]);
    const repeated: RunSummary = JSON.parse(second.out);
    assert.deepEqual([repeated.flops.referenceTrain, repeated.flops.referenceScore], [0, 0]);
    const learner = (path: string) => Deno.readFileSync(`${path}/learner.safetensors`);
    assert.deepEqual(learner(repeated.run), learner(run), "the same seed gave other bits");

    // In micro-batches: the same but for rounding, and the command of the report makes it again.
    const parts = await superbatch(
      tinyTraining(folder, "--json", "--micro-batch", "auto", "--memory", "20MiB", "--recompute"),
    );
    assert.equal(parts.code, 0, parts.error);
    const apart: RunSummary = JSON.parse(parts.out);
    assert.ok(Math.abs(apart.loss.last / summary.loss.last - 1) < 1e-5);
    const { microBatch, recompute } = JSON.parse(Deno.readTextFileSync(`${apart.run}/config.json`));
    assert.deepEqual([typeof microBatch, recompute], ["number", true], "what was chosen is written down");
    const page = Deno.readTextFileSync(`${apart.run}/report.html`);
    assert.match(page, new RegExp(`--micro-batch ${microBatch} --recompute --memory ${20 * 2 ** 20}`));

    // In half precision: close to it, with a reference of its own; the run says so.
    const half = await superbatch(tinyTraining(folder, "--json", "--precision", "f16"));
    assert.equal(half.code, 0, half.error);
    const rounded: RunSummary = JSON.parse(half.out);
    assert.deepEqual([summary.precision, rounded.precision], ["f32", "f16"]);
    assert.notEqual(rounded.loss.last, summary.loss.last);
    assert.ok(Math.abs(rounded.loss.last / summary.loss.last - 1) < 0.01);
    assert.ok(rounded.flops.referenceTrain > 0, "the f32 reference is not taken for it");
    assert.match(Deno.readTextFileSync(`${rounded.run}/report.html`), /--precision f16/);
    const refused = await superbatch(tinyTraining(folder, "--memory", "1MiB"));
    assert.equal(refused.code, 1);
    assert.match(refused.error, /Error: This does not fit: the step takes .*, more than the 1 MiB/);
    assert.equal(runFolders(folder).length, 4, "nothing is made when the step does not fit");

    const evaluated = await superbatch(["eval", run, "--json", "--quiet"]);
    assert.equal(evaluated.code, 0, evaluated.error);
    const results = JSON.parse(evaluated.out);
    assert.deepEqual(Object.keys(results), ["learner", "uniform", "reference"]);
    assert.deepEqual(results.learner, summary.evaluation, "the saved learner scores otherwise");
    assert.deepEqual(results.uniform, summary.compare!.evaluation);
    assert.deepEqual(results.reference, summary.reference);

    const picture = `${folder}/found.png`;
    const found = await superbatch(
      ["search", run, "red heart", "--count", "3", "--out", picture, "--json", "--quiet"],
    );
    assert.equal(found.code, 0, found.error);
    const { query, hits } = JSON.parse(found.out);
    assert.deepEqual([query, hits.length], ["red heart", 3]);
    assert.ok(
      hits.every(({ caption, score }: { caption: string; score: number }) =>
        caption !== "" && Math.abs(score) <= 1
      ),
    );
    assert.deepEqual([...(await Deno.readFile(picture)).subarray(1, 4)], [
      ...new TextEncoder().encode("PNG"),
    ]);

    // Another sampler that needs no reference: none is trained, though the kept one is damaged.
    for (const { name } of Deno.readDirSync(`${folder}/cache`)) {
      if (name.startsWith("reference-")) await Deno.truncate(`${folder}/cache/${name}`, 600_000);
    }
    const uniform = await superbatch(tinyTraining(folder, "--sampler", "uniform", "--name", "uniform"));
    assert.equal(uniform.code, 0, uniform.error);
    assert.ok(!uniform.error.includes("reference"));
    assert.match(uniform.out, /16 examples trained of 16 drawn in 2 steps/);
    const unscored = runFolders(folder).find((path) => path.endsWith("-uniform"))!;
    assert.ok(!files(unscored).some((name) => name === "selection.jsonl" || name.startsWith("reference")));
    assert.deepEqual(learner(unscored), await Deno.readFile(`${run}/uniform.safetensors`));

    // A damaged one is trained anew where it counts.
    const top = await superbatch(tinyTraining(folder, "--sampler", "top-k"));
    assert.equal(top.code, 0, top.error);
    assert.match(top.error, /train the reference.*2\/2/);

    // Other scores and samplers, with the other loss: no reference counts in the first arm, one does in the second.
    const hard = await superbatch(tinyTraining(
      folder,
      ..."--sampler gibbs --iterations 3 --score hard-learner --loss softmax --compare top-k --name hard"
        .split(" "),
    ));
    assert.equal(hard.code, 0, hard.error);
    assert.match(hard.out, /^ +Gibbs +top-k +reference$/m);
    const other = runFolders(folder).find((path) => path.endsWith("-hard"))!;
    const { sampler, score, loss, iterations } = JSON.parse(await Deno.readTextFile(`${other}/config.json`));
    assert.deepEqual([sampler, score, loss, iterations], ["gibbs", "hard-learner", "softmax", 3]);
    const lines = (await Deno.readTextFile(`${other}/metrics.jsonl`)).trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    for (const [arm, draws] of [["gibbs", 4], ["top-k", 1]]) {
      const last = lines.findLast((line) => line.arm === arm);
      assert.equal(last.drawEntropy.length, draws);
      assert.equal(
        last.batchLearnability > 0,
        arm === "gibbs",
        "the learner's loss, or minus the reference's",
      );
    }
    assert.ok(files(other).includes("top-k.safetensors"));

    const diverged = await superbatch(
      tinyTraining(folder, "--learning-rate", "1e9", "--name", "diverged", "--quiet"),
    );
    assert.deepEqual([diverged.code, diverged.out], [1, ""]);
    assert.match(diverged.error, /^Error: The loss was .* in step 2: .*lower learning rate\.\n$/);
    assert.equal(status(runFolders(folder).find((path) => path.endsWith("-diverged"))!).status, "failed");

    // The disk fills up when the checkpoint is written: files end at half a megabyte.
    const full = await superbatch(tinyTraining(folder, "--name", "full"), {
      shell: "trap '' XFSZ; ulimit -f 1000;",
    });
    assert.deepEqual([full.code, full.out], [1, ""]);
    assert.match(full.error, /Error: Cannot write ".*learner\.safetensors": /);
    const failed = runFolders(folder).find((path) => path.endsWith("-full"))!;
    assert.equal(status(failed).status, "failed");
    assert.deepEqual(files(failed).filter((name) => /summary|report|tmp|learner/.test(name)), []);

    // A checkpoint cut in half.
    await Deno.writeFile(`${run}/learner.safetensors`, learner(run).subarray(0, 600_000));
    const cut = await superbatch(["eval", run, "--quiet"]);
    assert.deepEqual([cut.code, cut.out], [1, ""]);
    assert.match(cut.error, /^Error: .*learner\.safetensors.*\n$/);
  }));

Deno.test("Ctrl-C stops after the step: exit code 130, a folder that says so, no summary", () =>
  inFolder(async (folder) => {
    const args = tinyTraining(folder);
    const child = start(args.with(args.indexOf("--reference-steps") + 1, "100000"));
    let error = "";
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      if (!error.includes("train the reference") && (error + text).includes("train the reference")) {
        child.kill("SIGINT");
      }
      error += text;
    }
    const out = await new Response(child.stdout).text();
    assert.deepEqual([(await child.status).code, out], [130, ""], error);
    assert.match(
      error,
      /Stopping after the present step.*\n[^]*Interrupted: Stopped after step \d+ of 100000\n$/,
    );
    const [run] = runFolders(folder);
    assert.equal(status(run).status, "interrupted");
    assert.ok(!files(run).includes("summary.json"));

    const search = await superbatch(["search", run, "dog"]);
    assert.equal(search.code, 1);
    assert.match(search.error, /is interrupted: Stopped after step.*Only a complete run/);
  }));

Deno.test("without an adapter train says what to install and leaves no run", () =>
  inFolder(async (folder) => {
    const env = { VK_DRIVER_FILES: "/nonexistent", DENO_WEBGPU_BACKEND: "vulkan" };
    const { code, out, error } = await superbatch(tinyTraining(folder), { env });
    assert.deepEqual([code, out], [1, ""]);
    assert.match(error, /^Error: No GPU adapter was found.*mesa-vulkan-drivers.*\n$/);
    assert.deepEqual(runFolders(folder), []);
  }));

Deno.test("an output folder that is a file is refused before anything is computed", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/runs`, "");
    const { code, error } = await superbatch(tinyTraining(folder, "--quiet"));
    assert.equal(code, 1);
    assert.match(
      error,
      /^Error: Cannot write into the output folder .*runs: .*Choose another with --out\.\n$/,
    );
  }));
