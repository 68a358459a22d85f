/**
 * Everything to record on a new GPU, in one command: the adapter, its limits, clock and peaks; every variant of the
 * matrix products and of attention, right and how fast; tuning; training steps, alone and beside PyTorch; selection; and
 * the tests of all kernels.
 *
 *     deno run -A bench/gpu.ts [--out FOLDER] [--minutes 9] [--only TEXT] [--quick]
 *
 * Each part has a process of its own, so that a crash, a lost device or a hang costs that part alone, and a limit; what
 * it found is printed and written to `gpu.md` and `gpu.json` in the folder (runs/gpu) line by line. Parts for which no
 * time is left are named and skipped. `--only` keeps the parts whose title contains the text; what was tuned is kept in
 * the folder, so a later run goes on with it. A software adapter gets small sizes, as `--quick` gives any.
 *
 * It needs no network once the modules are cached: those of cli.ts, of this file and of the tests that it runs
 * (`tests/ops`, `tests/selection`, `tests/losses`, `tests/optim`, `tests/train`), and in `bench/peers`, if jax-js and
 * TensorFlow.js are to be compared, those of its workers. `python3` with torch is used where it is there.
 */
import { resolve } from "node:path";
import { testCount } from "../src/cli/test.ts";
import type { Peaks } from "../src/gpu/peaks.ts";
import { openTuned } from "../src/run/tuning.ts";
import { adapter, buffers, clock } from "./gpu/adapter.ts";
import { attention, product, products } from "./gpu/kernels.ts";
import { DATA, message, noPeaks, type SectionContext } from "./gpu/section.ts";
import { selection, step, tune } from "./gpu/steps.ts";
import { lines } from "./peers/protocol.ts";

/** What runs in a process of its own. */
const sections: Readonly<Record<string, (context: SectionContext) => void | Promise<void>>> = {
  adapter,
  buffers,
  clock,
  product,
  attention,
  tune,
  step,
  selection,
};

/** One process. */
interface Part {
  readonly title: string;
  /** Seconds after which it is stopped. */
  readonly limit: number;
  readonly program: string;
  readonly args: readonly string[];
  /** Picks from a program's output, once it has ended, what is reported; all lines as they come when left out. */
  readonly pick?: (output: string) => string;
  /** A JSON file that it leaves behind. */
  readonly result?: string;
}

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

const only = option("--only") ?? "", out = resolve(option("--out") ?? "runs/gpu"), cache = `${out}/cache`;
const end = performance.now() + 60_000 * Number(option("--minutes") ?? 9);
let quick = Deno.args.includes("--quick");

/** What was found so far, by name; what comes more than once is listed. */
const found: Record<string, unknown> = {};
const listed = new Set(["products", "tuned", "steps", "selection", "failures", "peers", "parts"]);
let markdown = "";

function keep(name: string, value: unknown): void {
  if (listed.has(name)) (found[name] ??= [] as unknown[], found[name] as unknown[]).push(value);
  else found[name] = value;
  Deno.writeTextFileSync(`${out}/gpu.json`, `${JSON.stringify(found, null, 1)}\n`);
}

function report(text: string): void {
  console.log(text);
  markdown += `${text}\n`;
  Deno.writeTextFileSync(`${out}/gpu.md`, markdown);
}

/** A section in this file's other role. */
function own(title: string, limit: number, section: string, part = ""): Part {
  return {
    title,
    limit,
    program: Deno.execPath(),
    args: ["run", "-A", new URL(import.meta.url).pathname, "--section", section, "--part", part],
  };
}

function beside(libraries: string, preset: string | null, only: string, limit: number): Part {
  const title = `Beside ${libraries}: ${only}`, result = `${out}/${title.replaceAll(/\W+/g, "_")}.json`;
  return {
    title,
    limit,
    result,
    program: Deno.execPath(),
    args: [
      ...["run", "-A", new URL("peers/run.ts", import.meta.url).pathname, "--json", result],
      ...["--libraries", `superbatch,${libraries}`, "--only", only],
      ...preset ? ["--presets", preset] : [],
    ],
  };
}

/** The failures of a test run with their reasons, and its count. */
function pickTests(output: string): string {
  const count = testCount(output), errors = output.indexOf(" ERRORS ");
  const failed = output.split("\n").filter((line) => line.includes("FAILED")).join("\n");
  const reasons = errors < 0 ? failed : output.slice(errors, errors + 20_000);
  const summary = count
    ? `${count.passed} tests passed, ${count.failed} failed.`
    : `The tests did not come to their end; ${output.split(" ok ").length - 1} had passed.`;
  return reasons ? `${summary}\n\n\`\`\`\n${reasons}\n\`\`\`` : summary;
}

/** All parts, those that matter most first. */
function parts(): Part[] {
  const [first, ...rest] = products(quick).map(({ name }) => own(`Product ${name}`, 40, "product", name));
  const steps = quick ? ["mini, uniform, b = 16", "mini, joint, b = 16"] : [
    "B/16, uniform, b = 256",
    "mini, uniform, b = 64",
    "mini, joint, b = 64",
    "S/16, uniform, b = 256",
    "B/16, uniform, b = 64",
    "B/16, joint, b = 256",
  ];
  const tested = quick ? ["gelu", "gather"].map((name) => `tests/ops/${name}_test.ts`) : [
    "tests/ops",
    "tests/selection",
    "tests/losses",
    "tests/optim",
    "tests/train",
  ];
  return [
    own("The adapter", 30, "adapter"),
    own("Large buffers", 30, "buffers"),
    own("The clock", 20, "clock"),
    first,
    ...rest.slice(0, 3),
    own("Attention at ViT-B/16's shape", 30, "attention"),
    own("Tuning", 100, "tune", steps[0]),
    quick
      ? beside("torch", null, "step of mini", 60)
      : beside("torch", "B/16:256", "step of B/16, b = 256", 120),
    ...steps.map((name) => own(`Step of ${name}`, name.startsWith("B/16") ? 60 : 40, "step", name)),
    {
      title: "Tests of the kernels, against float64",
      limit: 120,
      program: Deno.execPath(),
      args: ["test", "-A", "--no-check", ...tested],
      pick: pickTests,
    },
    own("Selection", 40, "selection"),
    ...rest.slice(3),
    ...quick ? [] : [own("Tuning of smaller models", 90, "tune", [steps[1], steps[2], steps[3]].join("; "))],
    ...quick ? [] : [
      beside("torch", "S/16:256", "step of S/16, b = 256", 60),
      beside("torch", null, "step of mini", 40),
      beside("jax-js,tfjs", null, "", 90),
    ],
  ];
}

async function run({ title, limit, program, args, pick, result }: Part): Promise<void> {
  report(`\n## ${title}\n`);
  const startedAt = performance.now(), left = (end - startedAt) / 1000;
  const seconds = () => (performance.now() - startedAt) / 1000;
  if (left < 10) return report("_Skipped: the time is spent._");
  const given = Math.min(limit, left - 2);
  const own = args.includes("--section");
  const passed = own
    ? [
      ...["--cache", cache, "--seconds", String(given), "--peaks", JSON.stringify(found.peaks ?? null)],
      ...found.largestBuffer ? ["--largest-buffer", String(found.largestBuffer)] : [],
    ]
    : [];
  let stopped = false, picked = "", outcome = "";
  try {
    if (result) await Deno.remove(result).catch(() => {}); // an earlier run's
    const child = new Deno.Command(program, {
      args: [...args, ...passed, ...own && quick ? ["--quick"] : []],
      cwd: new URL("..", import.meta.url),
      env: { SUPERBATCH_CACHE: cache, NO_COLOR: "1" },
      stdin: "null",
      detached: true, // so that it can be stopped with all that it started
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const timer = setTimeout(() => {
      stopped = true;
      Deno.kill(-child.pid, "SIGKILL");
    }, given * 1000);
    let complaint = "";
    const complains = (async () => {
      for await (const line of lines(child.stderr)) {
        console.error(line);
        complaint = `${complaint}${line}\n`.slice(-2000);
      }
    })();
    for await (const line of lines(child.stdout)) {
      if (line.startsWith(DATA)) {
        const { name, value } = JSON.parse(line.slice(DATA.length));
        keep(name, name === "failures" ? { part: title, ...value } : value);
      } else if (pick) picked += `${line}\n`;
      else report(line);
    }
    const { code } = await child.status;
    clearTimeout(timer);
    await complains;
    if (pick) report(pick(picked));
    if (stopped) outcome = `stopped after ${given.toFixed(0)} s`;
    else if (code !== 0) {
      outcome = `ended with code ${code}`;
      if (!pick) report(`\n\`\`\`\n${complaint.trim()}\n\`\`\``);
    }
    if (result) keep("peers", JSON.parse(await Deno.readTextFile(result)));
  } catch (error) {
    outcome ||= message(error);
  }
  keep("parts", { title, seconds: seconds(), outcome: outcome || "done" });
  report(`\n_${outcome ? `**${outcome}**, ` : ""}${seconds().toFixed(1)} s_`);
}

interface PeerEntry {
  readonly library: string;
  readonly seconds: number | null;
}
interface Found {
  readonly peaks?: Peaks;
  readonly products?: { name: string; best: { variant: string; flopsPerSecond: number } }[];
  readonly peers?: { tables: { name: string; entries: PeerEntry[] }[][] }[];
  readonly failures?: { part: string; name: string; error: string }[];
}

/** What the targets ask for: products ≥ 60 % of the peak, steps ≥ 0.8 × PyTorch's in f32. */
function targets(): void {
  const { peaks, products = [], peers = [], failures = [] } = found as Found;
  report("\n## Targets\n\n| | measured | target |\n|---|---|---|");
  for (const { name, best: { variant, flopsPerSecond } } of products) {
    const share = 100 * flopsPerSecond / peaks!.flopsPerSecond;
    report(`| ${name}, ${variant} | ${share.toFixed(1)} % of the peak | 60 % |`);
  }
  for (const { name, entries: [first, ...others] } of peers.flatMap(({ tables }) => tables).flat()) {
    for (const { library, seconds } of others) {
      if (!library.startsWith("torch") || seconds === null || first.seconds === null) continue;
      const target = library.endsWith(" f32") ? "0.8" : "–";
      report(`| ${name}, over ${library} | ${(seconds / first.seconds).toFixed(2)} | ${target} |`);
    }
  }
  if (failures.length > 0) {
    report(
      `\n**${failures.length} failures**: ${
        failures.map(({ part, name }) => `${name} (${part})`).join(", ")
      }`,
    );
  }
}

async function main(): Promise<void> {
  await Deno.mkdir(out, { recursive: true });
  report(
    `# ${new Date().toISOString().slice(0, 16)}, Deno ${Deno.version.deno}\n` +
      `\`${["deno run -A bench/gpu.ts", ...Deno.args].join(" ")}\``,
  );
  const [first] = parts();
  await run(first); // also tells whether the adapter is a program
  if (!found.adapter) {
    report("\nWithout an adapter there is nothing to measure.");
    return void (Deno.exitCode = 1);
  }
  quick ||= (found.adapter as { traits: { software: boolean } }).traits.software;
  for (const part of parts().slice(1)) if (part.title.includes(only)) await run(part);
  targets();
}

/** The other role: one section, with a device of its own. */
async function runSection(name: string): Promise<void> {
  const seconds = Number(option("--seconds")), cache = option("--cache");
  const until = performance.now() + seconds * 1000;
  using device = await openTuned(cache);
  // What could not be measured is NaN, which JSON writes as null.
  const known = Object.entries(JSON.parse(option("--peaks")!) ?? {}).filter(([, value]) => value !== null);
  const peaks: Peaks = { ...noPeaks, ...Object.fromEntries(known) };
  const largestBuffer = Number(option("--largest-buffer") ?? Infinity);
  const left = () => (until - performance.now()) / 1000;
  await sections[name]({ device, part: option("--part")!, quick, peaks, largestBuffer, cache, left });
}

const section = option("--section");
await (section ? runSection(section) : main());
