/** The run folder: nothing half-written may pass for a whole run. */
import assert from "node:assert/strict";
import { createRunFolder, readRun, RunFolderError } from "../../src/report/run_folder.ts";
import { demoMetrics, demoSnapshots, demoSummary } from "./demo_run.ts";

const at = new Date("2026-01-02T03:04:05.678Z");

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a complete run reads back as it was written", () =>
  inFolder(async (out) => {
    const folder = await createRunFolder(`${out}/deep/runs`, "my run", at);
    assert.equal(folder.path, `${out}/deep/runs/2026-01-02-030405-my-run`);
    await folder.writeConfig({ steps: 3 });
    for (const line of demoMetrics) await folder.appendMetrics(line);
    for (const snapshot of demoSnapshots) await folder.appendSnapshot(snapshot);
    await folder.finish(demoSummary);
    assert.deepEqual(await readRun(folder.path), {
      path: folder.path,
      config: { steps: 3 },
      summary: demoSummary,
      metrics: demoMetrics,
      snapshots: demoSnapshots,
    });
  }));

Deno.test("two runs in one second get two folders", () =>
  inFolder(async (out) => {
    const paths = await Promise.all([1, 2, 3].map(async () => (await createRunFolder(out, "run", at)).path));
    assert.equal(new Set(paths).size, 3);
  }));

Deno.test("a run that goes on, failed or was interrupted is refused, with its reason", () =>
  inFolder(async (out) => {
    const folder = await createRunFolder(out, "run", at);
    await assert.rejects(
      readRun(folder.path),
      /did not finish: it is still running, or was killed\. Only a complete run/,
    );
    await folder.fail("failed", new Error("loss is NaN at step 7"));
    await assert.rejects(readRun(folder.path), /did not finish, it is failed: loss is NaN at step 7/);
    await folder.fail("interrupted", new Error("Ctrl-C"));
    await assert.rejects(readRun(folder.path), /is interrupted: Ctrl-C/);
  }));

Deno.test("a process that exits in the midst of a run says so, one whose run has ended does not", () =>
  inFolder(async (out) => {
    const module = new URL("../../src/report/run_folder.ts", import.meta.url);
    for (
      const [ending, status] of [["", "interrupted"], ['await folder.fail("failed", Error("x"));', "failed"]]
    ) {
      const script = `${out}/script.ts`;
      await Deno.writeTextFile(
        script,
        `import { createRunFolder } from "${module}";
        const folder = await createRunFolder("${out}", "${status}", new Date("${at.toISOString()}"));
        ${ending}
        console.log(folder.path);
        Deno.exit(130);`,
      );
      // As a second Ctrl-C does.
      const { code, stdout } = await new Deno.Command("sh", {
        args: ["-c", 'exec "$@"', "sh", Deno.execPath(), "run", "--quiet", "--no-check", "-A", script],
        cwd: new URL("../..", import.meta.url),
      }).output();
      assert.equal(code, 130);
      await assert.rejects(readRun(new TextDecoder().decode(stdout).trim()), new RegExp(`it is ${status}: `));
    }
  }));

Deno.test("what is missing or damaged is named", () =>
  inFolder(async (out) => {
    await assert.rejects(readRun(`${out}/none`), {
      name: "RunFolderError",
      message: /is no run.*status\.json/,
    });
    const folder = await createRunFolder(out, "run", at);
    await folder.writeConfig({});
    await folder.writeFile("status.json", JSON.stringify({ status: "complete" }));
    await assert.rejects(readRun(folder.path), /has lost its summary\.json/);
    await folder.finish(demoSummary);
    await Deno.writeTextFile(`${folder.path}/metrics.jsonl`, '{"arm":"joi');
    await assert.rejects(readRun(folder.path), /metrics\.jsonl is damaged/);
  }));

Deno.test("an output folder that cannot be written is refused at once", () =>
  inFolder(async (out) => {
    await Deno.writeTextFile(`${out}/file`, "");
    for (const bad of [`${out}/file`, "/proc/superbatch"]) {
      await assert.rejects(
        createRunFolder(bad, "run", at),
        (error) =>
          error instanceof RunFolderError &&
          /Cannot write into .* Choose another with --out/.test(error.message),
      );
    }
  }));

Deno.test("a folder that vanishes during the run is an error that says so", () =>
  inFolder(async (out) => {
    const folder = await createRunFolder(out, "run", at);
    await Deno.remove(folder.path, { recursive: true });
    await assert.rejects(folder.appendMetrics(demoMetrics[0]), /Cannot write .*metrics\.jsonl/);
    await folder.fail("failed", new Error("gone")); // does not throw
  }));
