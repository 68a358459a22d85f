/** cli.ts as a process: its exit codes, and what goes to which stream. */
import assert from "node:assert/strict";

const root = new URL("../../", import.meta.url);

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

const superbatch = (...args: string[]): Promise<Ended> => superbatchIn({}, ...args);

async function superbatchIn(env: Record<string, string>, ...args: string[]): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-P", "--quiet", "cli.ts", ...args],
    cwd: root,
    env: { NO_COLOR: "1", SUPERBATCH_DEBUG: "0", ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

Deno.test("help is printed by every command, with the exit codes", async () => {
  const { code, out } = await superbatch("--help");
  assert.equal(code, 0);
  for (const command of ["train", "eval", "search", "select", "tune", "info", "test", "completion"]) {
    assert.match(out, new RegExp(`^  ${command} `, "m"));
  }
  assert.match(out, /Exit codes: 0 .*1 .*2 .*130/);
  for (const command of ["train", "eval", "search", "select", "tune", "info", "test"]) {
    const { code, out } = await superbatch(command, "--help");
    assert.equal(code, 0);
    assert.match(out, new RegExp(`Usage: superbatch ${command}`));
    assert.match(out, /Exit codes: 0 /);
  }
  assert.match((await superbatch("train", "-h")).out, /--preset PRESET .*One of mini, Ti\/16, /);
});

Deno.test("the version is the package's", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  for (const flag of ["--version", "-V"]) assert.equal((await superbatch(flag)).out.trim(), version);
});

Deno.test("completion scripts exist for the usual shells", async () => {
  for (const shell of ["bash", "zsh", "fish", "pwsh"]) {
    const { code, out } = await superbatch("completion", shell);
    assert.equal(code, 0);
    assert.match(out, /superbatch/);
  }
});

Deno.test("a wrong command line exits with 2 and says nothing on stdout", async () => {
  for (
    const [args, answer] of [
      [["train", "--sede", "3"], /--seed/],
      [["train", "--chunks", "65"], /--chunks is 65, more than the 64 examples.*choose 1 to 64/],
      [["train", "--compare", "joint"], /--compare joint.*choose the other/],
      [["train", "--learning-rate", "0"], /--learning-rate must be above 0 \(it is 0\)/],
      [["train", "--pool-size", "100"], /640 .*the pool holds 100/],
    ] as const
  ) {
    const { code, out, error } = await superbatch(...args);
    assert.deepEqual([code, out], [2, ""], error);
    assert.match(error, answer);
  }
});

Deno.test("a failure exits with 1 and one sentence, without a stack", async () => {
  const { code, out, error } = await superbatch("eval", "no/such/run");
  assert.deepEqual([code, out], [1, ""]);
  assert.match(error, /^Error: no\/such\/run is no run: .*\n$/);
});

Deno.test("info names the adapter, its limits and the runtime, for people and for programs", async () => {
  const { code, out, error } = await superbatch("info", "--json");
  assert.equal(code, 0, error);
  const { description, limits, deno } = JSON.parse(out);
  assert.equal(deno, Deno.version.deno);
  assert.ok(limits.maxBufferSize > 0);
  const plain = (await superbatch("info")).out;
  assert.ok(plain.includes(description) && /^maxBufferSize +[\d,]+$/m.test(plain), plain);
});

Deno.test("info without an adapter tells what there is and what to install, and fails", async () => {
  const none = { VK_DRIVER_FILES: "/nonexistent.json", DENO_WEBGPU_BACKEND: "vulkan" };
  const plain = await superbatchIn(none, "info");
  assert.equal(plain.code, 1);
  assert.match(plain.out, /^adapter +none$/m);
  assert.match(plain.out, /^runtime +Deno /m);
  assert.match(plain.error, /^Error: No GPU adapter was found.*mesa-vulkan-drivers.*\n$/);
  const { adapter, backend, deno } = JSON.parse((await superbatchIn(none, "info", "--json")).out);
  assert.deepEqual([adapter, backend, deno], [null, "vulkan", Deno.version.deno]);
});

Deno.test("tune shows what is kept, and forgets it", async () => {
  const cache = await Deno.makeTempDir();
  const shown = await superbatch("tune", "--show", "--cache", cache);
  assert.equal(shown.code, 0);
  assert.match(shown.out, /Nothing is tuned for .*: run superbatch tune/);
  const { out } = await superbatch("tune", "--show", "--json", "--cache", cache);
  assert.deepEqual(JSON.parse(out).tuned, []);
  assert.match((await superbatch("tune", "--reset", "--cache", cache)).out, /Forgot what was tuned for /);
  const mistyped = await superbatch("tune", "--rest");
  assert.equal(mistyped.code, 2);
  assert.match(mistyped.error, /--reset/);
});
