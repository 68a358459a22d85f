import type { InvocationOf } from "./command_line.ts";
import { ExitCode } from "./errors.ts";

/** Files whose examples run as tests. */
const documented = [
  "README.md",
  "mod.ts",
  "src/gpu/device.ts",
  "src/gpu/specialize.ts",
  "src/models/config.ts",
  "src/models/model.ts",
  "src/selection/select.ts",
  "src/train/trainer.ts",
];

/** Deno's own last count, such as `ok | 12 passed (3 steps) | 0 failed (5s)`; null when it did not get so far. */
export function testCount(output: string): { passed: number; failed: number } | null {
  const counts = [...output.matchAll(/^(?:ok|FAILED) \| (\d+) passed\b.*? \| (\d+) failed\b/gm)].at(-1);
  return counts ? { passed: Number(counts[1]), failed: Number(counts[2]) } : null;
}

/** `superbatch test`: deno test, and its count as one plain last line. */
export async function test({ filter }: InvocationOf<"test">): Promise<number> {
  const root = new URL("../../", import.meta.url);
  const args = [
    "test",
    "-P=test",
    "--doc",
    "--no-prompt",
    ...(filter ? ["--filter", filter] : []),
    "tests/",
    ...documented,
  ];
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    stdout: "piped",
    stderr: "inherit",
    env: { NO_COLOR: "1" },
  }).spawn();
  const [shown, read] = child.stdout.tee();
  const [output, , { code }] = await Promise.all([
    new Response(read).text(),
    shown.pipeTo(Deno.stdout.writable, { preventClose: true }),
    child.status,
  ]);
  const count = testCount(output);
  if (!count) throw new Error("deno test ended without its count: the reason stands above");
  console.log(`${count.passed} passed, ${count.failed} failed`);
  if (code !== ExitCode.ok) return code;
  if (count.passed > 0) return ExitCode.ok;
  console.error("Error: No test ran. Choose another --filter, or leave it out.");
  return ExitCode.failure;
}
