/** The launcher, with stand-ins for Deno and npx in a PATH of its own. */
import assert from "node:assert/strict";

const launcher = new URL("../../superbatch", import.meta.url).pathname;
const tools = "sh dirname readlink sed uname id mkdir cksum tr mktemp rm head cat tail grep".split(" ");

/** A Deno that says what it was asked to run. */
const deno = (version: string) =>
  `if [ "$1" = --version ]; then echo "deno ${version} (stable)"; exit; fi
[ "$1" = cache ] || echo "deno $*"
[ "$1" != run ] || echo "$DENO_WEBGPU_BACKEND $XDG_RUNTIME_DIR"`;

/** Runs the launcher from another folder, with only these programs and the basic tools. */
async function launch(
  programs: Readonly<Record<string, string>>,
  args: readonly string[],
  path = launcher,
): Promise<{ code: number; out: string; error: string }> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/bin`);
    for (const tool of tools) {
      const found = ["/usr/bin", "/bin"].map((place) => `${place}/${tool}`).find((file) => exists(file));
      assert.ok(found, `this machine has no ${tool}`);
      await Deno.symlink(found, `${folder}/bin/${tool}`);
    }
    for (const [name, body] of Object.entries(programs)) {
      await Deno.writeTextFile(`${folder}/bin/${name}`, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    }
    const { code, stdout, stderr } = await new Deno.Command(path, {
      args: [...args],
      cwd: folder,
      clearEnv: true,
      env: { PATH: `${folder}/bin`, HOME: folder, TMPDIR: folder, VK_DRIVER_FILES: "driver.json" },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replaceAll(folder, "~");
    return { code, out: text(stdout), error: text(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test("the launcher runs cli.ts with the permissions of deno.json, arguments unchanged", async () => {
  const { code, out } = await launch({ deno: deno("2.9.6") }, ["search", "my run", "red  heart"]);
  assert.equal(code, 0);
  assert.match(out, /^deno run -P --quiet --config .*\/deno\.json .*\/cli\.ts search my run red {2}heart\n/);
  if (Deno.build.os === "linux") assert.match(out, /\nvulkan ~\/superbatch-runtime-\d+\n$/);
});

Deno.test("only the tests may start processes", async () => {
  const { out } = await launch({ deno: deno("3.0.0") }, ["test"]);
  assert.match(out, /^deno run -P=test /);
});

Deno.test("an old Deno is passed over for npx", async () => {
  const npx = `shift; [ "$2" = cache ] || echo "npx $*"`;
  const { code, out } = await launch({ deno: deno("2.8.3"), npx }, ["--help"]);
  assert.equal(code, 0);
  assert.match(out, /^npx deno@2\.9\.\d+ run -P --quiet .*cli\.ts --help\n$/);
});

Deno.test("without Deno and npx the launcher says how to install them", async () => {
  const { code, out, error } = await launch({}, ["train"]);
  assert.deepEqual([code, out], [1, ""]);
  assert.match(error, /Deno 2\.9 or later is needed/);
  assert.match(error, /deno\.land\/install\.sh/);
});

Deno.test("packages that cannot be fetched are one clear failure", async () => {
  const offline = `if [ "$1" = --version ]; then echo "deno 2.9.6"; exit; fi
echo "error: no network" >&2; exit 1`;
  const { code, out, error } = await launch({ deno: offline }, ["train"]);
  assert.deepEqual([code, out], [1, ""]);
  assert.match(error, /error: no network[^]*Connect to the network once/);
});

Deno.test("the launcher finds its files through links", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.symlink(launcher, `${folder}/first`);
    await Deno.symlink("first", `${folder}/second`);
    const { out } = await launch({ deno: deno("2.9.6") }, ["--version"], `${folder}/second`);
    assert.ok(out.includes(launcher.replace(/superbatch$/, "cli.ts")), out);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
