/** Starts cli.ts as a user would, with a run small enough for a test. */

const root = new URL("../../", import.meta.url);

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** A command started; `shell` runs ahead of it in the same process, such as `ulimit`. */
export function start(args: readonly string[], { env = {}, shell = "" } = {}): Deno.ChildProcess {
  return new Deno.Command("sh", {
    args: [
      "-c",
      `${shell} exec "$@"`,
      "sh",
      Deno.execPath(),
      "run",
      "-P",
      "--quiet",
      "--no-prompt",
      "cli.ts",
      ...args,
    ],
    cwd: root,
    env: { NO_COLOR: "1", SUPERBATCH_DEBUG: "0", ...env },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** A command run to its end. */
export async function superbatch(
  args: readonly string[],
  how: Parameters<typeof start>[1] = {},
): Promise<Ended> {
  const { code, stdout, stderr } = await start(args, how).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

/** The arguments of `train` for two steps on 200 pairs, below one folder. */
export function tinyTraining(folder: string, ...more: readonly string[]): string[] {
  const sizes = "--steps 2 --reference-steps 2 --pool-size 200 --batch 8 --chunks 2".split(" ");
  return ["train", ...sizes, "--cache", `${folder}/cache`, "--out", `${folder}/runs`, ...more];
}

/** The folders of all runs below a folder, oldest first. */
export function runFolders(folder: string): string[] {
  try {
    return [...Deno.readDirSync(`${folder}/runs`)].map(({ name }) => `${folder}/runs/${name}`).sort();
  } catch {
    return [];
  }
}

/** The names of a run's files, those left over from a write that failed included. */
export function files(run: string): string[] {
  return [...Deno.readDirSync(run)].map(({ name }) => name).sort();
}

/** What a run says of itself. */
export function status(run: string): { status: string; reason?: string } {
  return JSON.parse(Deno.readTextFileSync(`${run}/status.json`));
}

/** Runs a body with a folder that is removed afterwards. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
