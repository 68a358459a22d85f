import { join } from "node:path";
import { gather } from "../reproduce/gather.ts";
import { claims, reproduce as reproduceClaims } from "../reproduce/reproduce.ts";
import { figureFiles, renderReproduction } from "../reproduce/report.ts";
import { scales } from "../reproduce/scales.ts";
import { writeError, writeFileAtomic } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { announce } from "./dry_run.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { Progress } from "./progress.ts";

/**
 * The claims that a list such as `2,5-7` names.
 *
 * @throws {UsageError} when it names none that there is
 */
export function claimNumbers(list: string | undefined): number[] {
  const all = claims.map(({ number }) => number);
  if (list === undefined || list === "all") return all;
  const numbers = list.split(",").flatMap((part) => {
    const range = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(part);
    if (!range) throw new UsageError(`--claims ${list}: "${part}" is no number and no range such as 5-7`);
    const from = Number(range[1]), to = Number(range[2] ?? from);
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => from + at);
  });
  const stray = numbers.find((number) => !all.includes(number));
  if (stray !== undefined || numbers.length === 0) {
    throw new UsageError(
      `--claims ${list}: there is no claim ${stray ?? ""}; choose from 1 to ${all.at(-1)}`,
    );
  }
  return [...new Set(numbers)].toSorted((a, b) => a - b);
}

/** `superbatch reproduce`. */
export async function reproduce(options: InvocationOf<"reproduce">): Promise<number> {
  const { out, scale, firstSeed, cache, json, quiet } = options;
  const numbers = claimNumbers(options.claims);
  const seeds = Array.from({ length: options.seeds }, (_, at) => firstSeed + at);
  const describe = (claims: readonly number[]) =>
    `./superbatch reproduce --claims ${claims.join(",")} --scale ${scale} --seeds ${seeds.length}${
      firstSeed === 1 ? "" : ` --first-seed ${firstSeed}`
    }`;
  if (options.dryRun) {
    return announce({
      computes: [`try claims ${numbers.join(", ")} at scale ${scale} with seeds ${seeds.join(", ")}`],
      writes: [
        join(out, "results.json"),
        join(out, "report.html"),
        join(out, "figures/"),
        join(out, "arms/"),
      ],
    }, json);
  }
  const progress = new Progress(undefined, quiet);
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) Deno.exit(ExitCode.interrupted); // a second Ctrl-C does not wait
    progress.log(
      "Stopping after the present step (Ctrl-C again to stop at once); the same command goes on from here",
    );
    controller.abort();
  };
  await Deno.mkdir(join(out, "figures"), { recursive: true }).catch((cause) => {
    throw writeError(out, cause); // before minutes of training
  });
  const earlier = await readResults(out);
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    const result = await reproduceClaims(
      {
        claims: numbers,
        scale: scales[scale],
        seeds,
        folder: join(out, "arms"),
        cache,
        command: describe(numbers),
      },
      {
        signal: controller.signal,
        onProgress: (stage, done, total, note) => progress.update(stage, done, total, note),
        log: (line) => progress.log(line),
      },
      async (claim, tried) => {
        const soFar = gather(earlier, tried, describe);
        const outcome = "finding" in claim
          ? `${claim.finding.verdict}. ${claim.finding.summary}`
          : `failed: ${claim.error}`;
        progress.log(`${claim.number}. ${claim.title}: ${outcome}`);
        await writeFileAtomic(join(out, "results.json"), JSON.stringify(soFar, null, 1) + "\n");
        await writeFileAtomic(join(out, "report.html"), renderReproduction(soFar));
        for (const { name, svg } of figureFiles(claim)) {
          await writeFileAtomic(join(out, "figures", name), svg);
        }
      },
    );
    progress.close();
    if (json) console.log(JSON.stringify(result));
    else console.log(`Report: ${join(out, "report.html")}`);
    return result.claims.some((claim) => "error" in claim) ? ExitCode.failure : ExitCode.ok;
  } finally {
    progress.close();
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}

/** What `results.json` of a folder holds; null where there is none that can be read. */
async function readResults(folder: string): Promise<unknown> {
  try {
    return JSON.parse(await Deno.readTextFile(join(folder, "results.json")));
  } catch {
    return null;
  }
}
