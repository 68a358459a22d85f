/**
 * superbatch beside other libraries, in one run on one adapter: products, layer norm, attention and whole training
 * steps, with jax-js and TensorFlow.js on WebGPU, and steps with PyTorch where it is installed. Prints Markdown.
 *
 *     deno run -A bench/peers/run.ts [--only TEXT] [--libraries NAMES] [--presets S/16:256,B/16:256] [--json FILE]
 *
 * `--only` keeps the works whose name contains the text. `--libraries` keeps these of jax-js, tfjs and torch beside
 * superbatch, such as `superbatch,torch`. `--presets` adds steps of presets at a batch size, for real GPUs, beside
 * PyTorch only; there one library runs after the other, because their memory adds up.
 *
 * Every library has a process and a device of its own, and they take turns, round by round; the best round counts. What
 * a library computes is compared with superbatch's before it is timed: kernels by a digest of the result, steps by the
 * first loss and by the loss after ten updates. One that differs has no time, and the run fails at its end. On a GPU
 * superbatch tunes the kernels that a work takes first, and keeps what it finds for the next run; a step that does not
 * fit the adapter's bindings goes in micro-batches. The table says so.
 */
import { preset, type PresetName, presetNames } from "../../src/models/config.ts";
import { Child } from "./child.ts";
import { type Contestant, measure, type Row } from "./compare.ts";
import { dispatchLine, markdownTable, noteLines } from "./table.ts";
import { kernelWorks, largerConfig, type NamedWork, type Work } from "./work.ts";

const folder = new URL(".", import.meta.url);
const path = (name: string) => decodeURIComponent(new URL(name, folder).pathname);

/** The value after an option, or null. */
function option(name: string): string | null {
  const at = Deno.args.indexOf(name);
  return at < 0 ? null : Deno.args[at + 1];
}
const only = option("--only") ?? "", jsonFile = option("--json");

const libraries = ["superbatch", "jax-js", "tfjs", "torch"] as const;
const wanted: readonly string[] = option("--libraries")?.split(",") ?? libraries;
for (const name of wanted) {
  if (!libraries.includes(name as typeof libraries[number])) {
    throw new TypeError(`There is no library "${name}": choose some of ${libraries.join(",")}`);
  }
}

const pins = (JSON.parse(await Deno.readTextFile(path("deno.json"))) as {
  imports: Record<string, string>;
}).imports;
const version = (name: string) => pins[name].split("@").at(-1)!;
const deno = (
  worker: string,
  config: string,
) => ["run", "-A", "--config", path(config), path(worker)];

const scratch = await Deno.makeTempDir({ prefix: "peers-" });
const step = (
  name: string,
  config: Extract<Work, { kind: "step" }>["config"],
  batch: number,
): NamedWork => ({
  name,
  work: {
    kind: "step",
    config,
    batch,
    file: `${scratch}/${name.replaceAll(/\W+/g, "_")}.safetensors`,
  },
});
const chosen = (works: NamedWork[]) => works.filter(({ name }) => name.includes(only));
const kernels = chosen(kernelWorks());
const steps = chosen([
  step("step of mini, b = 64", preset("mini"), 64),
  step("step, width 192, 2 blocks, 64 + 16 tokens, b = 32", largerConfig(), 32),
]);
const presetSteps = chosen(
  (option("--presets")?.split(",") ?? []).map((item) => {
    const [name, batch] = item.split(":");
    if (!presetNames.includes(name as PresetName) || !(Number(batch) > 0)) {
      throw new TypeError(`"${item}" is no preset with a batch size: write it like S/16:256`);
    }
    return step(`step of ${name}, b = ${batch}`, preset(name as PresetName), Number(batch));
  }),
);

/** PyTorch's variants on this machine, each as "device precision"; null when there is no PyTorch. */
async function torchVariants(): Promise<
  { version: string; variants: string[] } | null
> {
  try {
    const { success, stdout } = await new Deno.Command("python3", {
      args: [path("torch_step.py"), "--list"],
      stderr: "null",
    }).output();
    return success ? JSON.parse(new TextDecoder().decode(stdout)) : null;
  } catch {
    return null;
  }
}

const children: Child[] = [];
const start = async (name: string, program: string, args: string[]) => {
  const child = await Child.start(name, program, args);
  children.push(child);
  return child;
};
const exact = (child: Child): Contestant => ({
  child,
  tolerance: 1e-3,
  laterTolerance: 1e-2,
});

try {
  const own = exact(
    await start(
      "superbatch",
      Deno.execPath(),
      deno("superbatch_worker.ts", "../../deno.json"),
    ),
  );
  const peers: Contestant[] = [];
  for (const [name, worker] of [["jax-js", "jax_worker.ts"], ["tfjs", "tfjs_worker.ts"]]) {
    if (wanted.includes(name)) {
      peers.push(exact(await start(name, Deno.execPath(), deno(worker, "deno.json"))));
    }
  }
  for (const { child } of peers) {
    if (child.adapter !== own.child.adapter) {
      throw new Error(
        `${child.name} runs on ${child.adapter}, superbatch on ${own.child.adapter}`,
      );
    }
  }
  const torch = wanted.includes("torch") ? await torchVariants() : null;
  const torches: Contestant[] = [];
  for (
    const variant of steps.length + presetSteps.length > 0 ? torch?.variants ?? [] : []
  ) {
    const child = await start(`torch ${variant}`, "python3", [
      path("torch_step.py"),
      "--serve",
      variant,
    ]);
    torches.push(
      variant.endsWith(" f32") ? exact(child) : { child, tolerance: 2e-2, laterTolerance: null },
    );
  }

  const run = async (works: NamedWork[], contestants: Contestant[], together = true) => {
    const rows: Row[] = [];
    for (const work of works) {
      console.error(`${work.name} …`);
      const row = await measure(work, contestants, together);
      for (const { library, error } of row.entries) {
        if (error) console.error(`  ${library}: ${error}`);
      }
      rows.push(row);
    }
    return rows;
  };
  const onGpu = torches.filter(({ child }) => child.name.includes("cuda"));
  const tables = [
    await run(kernels, [own, ...peers]),
    await run(steps, [own, ...peers, ...torches]),
    await run(presetSteps, [own, ...(onGpu.length > 0 ? onGpu : torches)], false),
  ].filter((rows) => rows.length > 0);

  const date = new Date().toISOString().slice(0, 10);
  const versions = {
    deno: Deno.version.deno,
    "jax-js": version("@jax-js/jax"),
    tfjs: version("@tensorflow/tfjs-core"),
    torch: torch?.version ?? null,
  };
  const command = ["deno run -A bench/peers/run.ts", ...Deno.args].join(" ");
  console.log(`## Beside other libraries: ${own.child.adapter}, ${date}`);
  console.log(
    [
      `\`${command}\`: Deno ${versions.deno}`,
      ...wanted.includes("jax-js") ? [`jax-js ${versions["jax-js"]}`] : [],
      ...wanted.includes("tfjs") ? [`TensorFlow.js ${versions.tfjs}`] : [],
      ...torch ? [`PyTorch ${torch.version}`] : [],
      ...wanted.includes("torch") && !torch ? ["no PyTorch (python3 with torch was not found)"] : [],
    ].join(", "),
  );
  const isTorch = (library: string) => library.startsWith("torch");
  for (const rows of tables) {
    for (const shows of [(library: string) => !isTorch(library), isTorch]) {
      if (rows[0].entries.slice(1).some(({ library }) => shows(library))) {
        console.log(`\n${markdownTable(rows, shows)}`);
      }
    }
    if (!rows[0].entries.slice(1).length) console.log(`\n${markdownTable(rows, () => false)}`);
    if (rows[0].kind === "step") console.log(["", ...rows.map(dispatchLine)].join("\n"));
    console.log(["", ...noteLines(rows)].join("\n"));
  }
  const differs = tables.flat().flatMap(({ entries }) => entries).some(({ error, difference }) =>
    error !== null && difference !== null
  );
  if (differs) Deno.exitCode = 1;
  if (jsonFile) {
    const result = {
      date,
      command,
      adapter: own.child.adapter,
      versions,
      tables,
    };
    await Deno.writeTextFile(jsonFile, `${JSON.stringify(result, null, 2)}\n`);
  }
} finally {
  for (const child of children) await child.stop();
  await Deno.remove(scratch, { recursive: true });
}
