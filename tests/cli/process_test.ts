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
  const commands = [
    "train",
    "plan",
    "eval",
    "search",
    "import",
    "export",
    "select",
    "score",
    "curate",
    "reproduce",
    "tune",
    "profile",
    "info",
    "test",
  ];
  for (const command of [...commands, "completion"]) {
    assert.match(out, new RegExp(`^  ${command} `, "m"));
  }
  assert.match(out, /Exit codes: 0 .*1 .*2 .*130/);
  for (const command of commands) {
    const { code, out } = await superbatch(command, "--help");
    assert.equal(code, 0);
    assert.match(out, new RegExp(`Usage: superbatch ${command}`));
    assert.match(out, /Exit codes: 0 /);
  }
  assert.match((await superbatch("train", "-h")).out, /--preset PRESET .*One of mini, midi, Ti\/16, /);
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
      [["plan", "--micro-batch", "65"], /--micro-batch is 65, more than the 64 .*or auto/],
      [["train", "--compare", "joint"], /--compare joint.*choose another/],
      [["train", "--sampler", "top-k", "--score", "learnability"], /top-k cannot go by learnability/],
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

Deno.test("plan tells what a step would take, and fails with a way out when it does not fit", async () => {
  const fits = await superbatch("plan", "--explain");
  assert.equal(fits.code, 0, fits.error);
  for (const name of ["parameters", "gradients", "moments", "inputs", "temporaries", "total"]) {
    assert.match(fits.out, new RegExp(`^${name} +[\\d.]+ [KM]iB`, "m"));
  }
  assert.match(fits.out, /^score +[\d.]+ [GM]FLOP +\d+ dispatches$/m);
  assert.match(fits.out, /^The largest of \d+ buffers[^]*\[.*train.*\]$/m);

  // 192 MiB of hidden activations, where the software adapter binds 128.
  const large = ["plan", "--preset", "S/16", "--image-size", "256", "--batch", "128", "--sampler", "uniform"];
  const wide =
    JSON.parse((await superbatch("info", "--json")).out).limits.maxStorageBufferBindingSize > 2 ** 28;
  const { code, out, error } = await superbatch(...large, "--explain");
  assert.equal(code, wide ? 0 : 1);
  if (!wide) {
    assert.match(
      error,
      /^Error: This does not fit: "image\.block.* takes 192 MiB, .*Use --micro-batch 64, which/,
    );
    assert.match(out, /^ +192 MiB ! +image\.block/m);
  }
  const auto = await superbatch(...large, "--micro-batch", "auto", "--memory", "2GiB", "--json");
  assert.equal(auto.code, 0, auto.error);
  const { microBatch, bytes, exceeding, problem } = JSON.parse(auto.out);
  assert.ok(microBatch < 128 && bytes.total <= 2 ** 31);
  assert.deepEqual([exceeding, problem], [[], null]);

  const over = await superbatch("plan", "--memory", "1MiB", "--json");
  assert.equal(over.code, 1);
  assert.match(
    JSON.parse(over.out).problem,
    /the step takes .* MiB, more than the 1 MiB that it may\. No micro-batch fits/,
  );
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
  // It takes what shapes a step, and refuses what train would.
  const large = await superbatch(
    "tune",
    "--micro-batch",
    "4",
    "--recompute",
    "--memory",
    "1MiB",
    "--cache",
    cache,
  );
  assert.equal(large.code, 1);
  assert.match(large.error, /This does not fit: the step takes .*, more than the 1 MiB/);
});

Deno.test("profile measures a step in parts and draws it; a wrong place is refused before it measures", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const small = [
      "profile",
      "--batch",
      "8",
      "--filter-ratio",
      ".5",
      "--chunks",
      "2",
      "--runs",
      "1",
      "--quiet",
    ];
    const { code, out, error } = await superbatch(...small, "--json", "--out", `${folder}/step.svg`);
    assert.equal(code, 0, error);
    const { step, phases, cpu, options, picture } = JSON.parse(out);
    assert.deepEqual(phases.map(({ name }: { name: string }) => name).slice(0, 2), ["score", "select"]);
    assert.ok(step.milliseconds > 0 && step.productShare > 0 && step.productShare < 1);
    assert.deepEqual([options.batch, options.superBatch, options.chunks], [8, 16, 2]);
    assert.deepEqual(
      [cpu.buffersCreated, cpu.bindGroupsCreated, cpu.pipelinesCreated, cpu.readBacks, cpu.submits],
      [0, 0, 0, 0, 1],
    );
    assert.match(await Deno.readTextFile(picture), /^<svg/);
    await Deno.mkdir(`${folder}/there.html`);
    const wrong = await superbatch(...small, "--out", `${folder}/there.html`);
    assert.equal(wrong.code, 2);
    assert.match(wrong.error, /there\.html is a folder: give the name of a file in it/);
    assert.equal((await superbatch("profile", "--runs", "0")).code, 2);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
