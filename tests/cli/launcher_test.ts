/** The launcher, with stand-ins for Deno and npx in a PATH of its own. */
import assert from "node:assert/strict";

const launcher = new URL("../../superbatch", import.meta.url).pathname;
const tools = "sh dirname readlink sed uname id mkdir cksum tr mktemp rm head cat tail grep ls cut".split(
  " ",
);

/** A Deno that says what it was asked to run. */
const deno = (version: string) =>
  `if [ "$1" = --version ]; then echo "deno ${version} (stable)"; exit; fi
[ "$1" = cache ] || echo "deno $*"
[ "$1" != run ] || echo "$DENO_WEBGPU_BACKEND $XDG_RUNTIME_DIR"`;

interface Machine {
  /** The launcher, where it is not the package's own. */
  readonly path?: string;
  /** Further variables. */
  readonly env?: Record<string, string>;
  /** Made before the launcher starts, in the folder that is its home and holds its temporary files. */
  readonly prepare?: (home: string) => Promise<void>;
}

/** Runs the launcher from another folder, with only these programs and the basic tools. */
async function launch(
  programs: Readonly<Record<string, string>>,
  args: readonly string[],
  { path = launcher, env = { VK_DRIVER_FILES: "driver.json" }, prepare }: Machine = {},
): Promise<{ code: number; out: string; error: string }> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/bin`);
    for (const tool of tools) {
      if (tool in programs) continue; // a stand-in must not be written through the link
      const found = ["/usr/bin", "/bin"].map((place) => `${place}/${tool}`).find((file) => exists(file));
      assert.ok(found, `this machine has no ${tool}`);
      await Deno.symlink(found, `${folder}/bin/${tool}`);
    }
    for (const [name, body] of Object.entries(programs)) {
      await Deno.writeTextFile(`${folder}/bin/${name}`, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    }
    await prepare?.(folder);
    const { code, stdout, stderr } = await new Deno.Command(path, {
      args: [...args],
      cwd: folder,
      clearEnv: true,
      env: { PATH: `${folder}/bin`, HOME: folder, TMPDIR: folder, ...env },
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
    const { out } = await launch({ deno: deno("2.9.6") }, ["--version"], { path: `${folder}/second` });
    assert.ok(out.includes(launcher.replace(/superbatch$/, "cli.ts")), out);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A copy of the launcher for which this machine's Vulkan drivers do not exist. */
async function withoutDrivers(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const text = await Deno.readTextFile(launcher);
    assert.ok(text.includes("/vulkan/icd.d"));
    const path = `${folder}/superbatch`;
    await Deno.writeTextFile(path, text.replaceAll("/vulkan/icd.d", "/no-vulkan/icd.d"), { mode: 0o755 });
    await Deno.copyFile(launcher.replace(/superbatch$/, "deno.lock"), `${folder}/deno.lock`);
    await body(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const linux = { uname: "echo Linux", deno: deno("2.9.6") };

Deno.test("root on apt gets Mesa's driver, and is told", () =>
  withoutDrivers(async (path) => {
    const apt = { ...linux, id: "echo 0", "apt-get": "echo $* is noisy" };
    const { code, out, error } = await launch(apt, ["train"], { path, env: {} });
    assert.equal(code, 0);
    assert.match(out, /^deno run -P .* train\n/);
    assert.match(
      error,
      /^superbatch: no Vulkan driver found; installing Mesa's \(mesa-vulkan-drivers\), once\n/,
    );
    const failing = { ...apt, "apt-get": `echo "E: no such host"; [ "$1" = update ]` };
    const failed = await launch(failing, ["train"], { path, env: {} });
    assert.deepEqual([failed.code, failed.out], [1, ""]);
    assert.match(failed.error, /E: no such host\n[^]*that failed; the whole log is in ~\//);
  }));

Deno.test("anyone else is given the command of their distribution", () =>
  withoutDrivers(async (path) => {
    for (
      const [manager, command] of [
        ["apt-get", "sudo apt-get update && sudo apt-get install mesa-vulkan-drivers libvulkan1"],
        ["dnf", "sudo dnf install mesa-vulkan-drivers vulkan-loader"],
        ["pacman", "sudo pacman -S vulkan-swrast vulkan-icd-loader"],
        ["zypper", "sudo zypper install libvulkan_lvp libvulkan1"],
        ["apk", "doas apk add mesa-vulkan-swrast vulkan-loader"],
      ]
    ) {
      const programs = { ...linux, id: "echo 1000", [manager]: "exit 9" };
      const { code, out, error } = await launch(programs, ["eval", "run"], { path, env: {} });
      assert.deepEqual([code, out], [1, ""]);
      assert.ok(error.includes(`\nsuperbatch:   ${command}\n`), error);
    }
  }));

Deno.test("help, version, completion and info need no driver", () =>
  withoutDrivers(async (path) => {
    for (
      const args of [["--help"], ["train", "--help"], ["--version"], ["completion", "bash"], ["info"], []]
    ) {
      const { code, error } = await launch({ ...linux, id: "echo 1000" }, args, { path, env: {} });
      assert.equal(code, 0, `${args}: ${error}`);
      assert.doesNotMatch(error, /Vulkan/);
    }
  }));

Deno.test("the runtime folder is private: another's, an open one or a link is not taken", async () => {
  const folder = (home: string) => `${home}/superbatch-runtime-${Deno.uid()}`;
  const chosen = async (prepare: (home: string) => Promise<void>) => {
    const { code, out, error } = await launch({ ...linux }, ["--help"], { prepare });
    assert.equal(code, 0, error);
    return out.trim().split("\n").at(-1)!;
  };
  const usual = `vulkan ${folder("~")}`;
  assert.equal(
    await chosen((home) => Deno.mkdir(folder(home), { mode: 0o700 })),
    usual,
    "kept from the last run",
  );
  for (
    const prepare of [
      async (home: string) => {
        await Deno.mkdir(folder(home));
        await Deno.chmod(folder(home), 0o755);
      },
      (home: string) => Deno.symlink(home, folder(home)),
      (home: string) => Deno.writeTextFile(folder(home), ""),
    ]
  ) {
    assert.match(await chosen(prepare), /^vulkan ~\/tmp\.\w+$/);
  }
});

Deno.test("packages are fetched once, and again when the DENO_DIR that held them is emptied", async () => {
  const cache = await Deno.makeTempDir();
  try {
    const env = { VK_DRIVER_FILES: "driver.json", DENO_DIR: cache };
    const fetches = async () =>
      (await launch(linux, ["--help"], { env })).error.includes("fetching packages");
    assert.deepEqual([await fetches(), await fetches()], [true, false]);
    for (const { name } of Deno.readDirSync(cache)) {
      await Deno.remove(`${cache}/${name}`, { recursive: true });
    }
    assert.equal(await fetches(), true);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});
