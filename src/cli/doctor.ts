import { loadPairs } from "../data/load_pairs.ts";
import { Device } from "../gpu/device.ts";
import { formatBytes } from "../gpu/memory.ts";
import { madeUpPairs, overfit, OVERFIT_PAIRS, OVERFIT_SIDE, type OverfitPairs } from "../run/overfit.ts";
import { sigLipPreprocessing } from "../data/images/preprocessing.ts";
import type { InvocationOf } from "./command_line.ts";
import { readOptions } from "./embed.ts";
import { ExitCode } from "./errors.ts";
import { Progress } from "./progress.ts";

/** One thing that was looked at. */
interface Check {
  readonly name: string;
  readonly status: "ok" | "warning" | "failed";
  readonly finding: string;
}

/** Pairs of the user's data that are looked at unless `--limit` says otherwise. */
const READ = 2000;
/** A share of duplicate captions above this is worth a warning: in-batch negatives are then often positives. */
const MANY_DUPLICATES = 0.2;
/** Free memory below this is worth a warning. */
const LITTLE_MEMORY = 2 ** 30;

/** `superbatch doctor [DATA]`: every check in turn; fails when one fails. */
export async function doctor(options: InvocationOf<"doctor">): Promise<number> {
  const { json, quiet } = options;
  const checks: Check[] = [], progress = new Progress(undefined, quiet);
  const add = (name: string, status: Check["status"], finding: string) => {
    checks.push({ name, status, finding });
    if (!json) {
      progress.close();
      console.log(`${status.padEnd(8)} ${name.padEnd(20)} ${finding}`);
    }
  };
  add("memory", ...freeMemory());
  let pairs: OverfitPairs | null = madeUpPairs();
  if (options.data !== undefined) pairs = await lookAtData(options, options.data, progress, add);
  try {
    using device = await Device.open();
    add(...adapter(device));
    if (pairs) await learn(device, pairs, options, progress, add);
  } catch (error) {
    add("adapter", "failed", (error as Error).message);
  }
  progress.close();
  const failed = checks.some(({ status }) => status === "failed");
  if (json) console.log(JSON.stringify({ ok: !failed, checks }));
  return failed ? ExitCode.failure : ExitCode.ok;
}

type Add = (name: string, status: Check["status"], finding: string) => void;

function freeMemory(): [Check["status"], string] {
  try {
    const { available, total } = Deno.systemMemoryInfo();
    const finding = `${formatBytes(available)} of ${
      formatBytes(total)
    } are free; WebGPU does not tell a card's own`;
    return available < LITTLE_MEMORY ? ["warning", `${finding}: close other programs`] : ["ok", finding];
  } catch {
    return ["ok", "unknown: Deno was not allowed to ask (--allow-sys=systemMemoryInfo)"];
  }
}

function adapter({ adapter: { description, limits }, traits }: Device): [string, Check["status"], string] {
  const bound = formatBytes(limits.maxStorageBufferBindingSize), buffer = formatBytes(limits.maxBufferSize);
  const finding = `${description}: a buffer may have ${buffer}, a binding ${bound}`;
  return traits.software
    ? [
      "adapter",
      "warning",
      `${finding}; a program on the CPU, slow: install the GPU's Vulkan driver if there is one`,
    ]
    : ["adapter", "ok", finding];
}

/** Reads some of the data; returns what to overfit, null where there is too little. */
async function lookAtData(
  options: InvocationOf<"doctor">,
  path: string,
  progress: Progress,
  add: Add,
): Promise<OverfitPairs | null> {
  try {
    const data = await loadPairs(path, sigLipPreprocessing(OVERFIT_SIDE), {
      ...readOptions({ ...options, limit: options.limit ?? READ }, progress, "Reading"),
    });
    const bad = data.bad.length > 0
      ? `; ${data.bad.length} samples were skipped, see superbatch inspect`
      : "";
    add("data", data.bad.length > 0 ? "warning" : "ok", `${data.size} pairs read${bad}`);
    const first = new Map<string, number>();
    data.captions.forEach((caption, pair) => first.has(caption) || first.set(caption, pair));
    const share = 1 - first.size / data.size,
      percent = `${(share * 100).toFixed(1)} % of the captions occur again`;
    add(
      "duplicate captions",
      share > MANY_DUPLICATES ? "warning" : "ok",
      share > MANY_DUPLICATES
        ? `${percent}: pairs of equal captions are taught as each other's negatives; curate or caption anew`
        : percent,
    );
    const chosen = [...first.values()].slice(0, OVERFIT_PAIRS);
    if (chosen.length < 2) {
      add("overfitting", "failed", `${path} has only one distinct caption: there is nothing to tell apart`);
      return null;
    }
    return { pixels: data.pictures.gather(chosen), captions: chosen.map((pair) => data.captions[pair]) };
  } catch (error) {
    add("data", "failed", (error as Error).message);
    return null;
  }
}

async function learn(
  device: Device,
  pairs: OverfitPairs,
  { steps, loss }: InvocationOf<"doctor">,
  progress: Progress,
  add: Add,
): Promise<void> {
  try {
    const found = await overfit(device, pairs, {
      steps,
      loss,
      onProgress: (done, total) => progress.update("Overfitting one batch", done, total),
    });
    const { last, first, noInformation, verdict } = found;
    const finding = `${found.pairs} pairs in ${steps} steps, loss ${first.toFixed(3)} → ${
      last.toPrecision(3)
    }`;
    const nothing =
      `it sits at its no-information value, ${
        noInformation.toFixed(3)
      }: the pictures are all alike, or the ` +
      "captions become the same tokens";
    if (verdict === "learned") add("overfitting", "ok", finding);
    else if (verdict === "nothing") add("overfitting", "failed", `${finding}; ${nothing}`);
    else {add(
        "overfitting",
        "warning",
        `${finding}; it should all but vanish: some pictures may be alike, or try more --steps`,
      );}
  } catch (error) {
    add("overfitting", "failed", (error as Error).message);
  }
}
