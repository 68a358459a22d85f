import type { InvocationOf } from "./command_line.ts";

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
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    await Deno.stdout.write(new TextEncoder().encode(chunk));
    text = (text + chunk).slice(-4000);
  }
  const { code } = await child.status;
  const passed = /(\d+) passed/.exec(text)?.[1] ?? "0", failed = /(\d+) failed/.exec(text)?.[1] ?? "0";
  console.log(`${passed} passed, ${failed} failed`);
  return passed === "0" && code === 0 ? 1 : code;
}
