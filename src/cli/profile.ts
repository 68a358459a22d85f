import { join } from "node:path";
import { renderProfilePage, renderProfileSvg } from "../report/profile_page.ts";
import { noTimestamps, profileText } from "../report/profile_text.ts";
import type { TrainOptions } from "../config/train_options.ts";
import { armOptions, modelConfig, planLine, planRun } from "../run/arm_options.ts";
import { withInitial } from "../run/initial.ts";
import { profileStep } from "../run/profile_step.ts";
import { openTuned } from "../run/tuning.ts";
import { writeError, writeFileAtomic } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { announce } from "./dry_run.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { Progress } from "./progress.ts";
import { givenOptions } from "./train.ts";

/** The picture's name where only a folder is given. */
const FILE_NAME = "profile.html";

/** Where the picture goes, and whether it replaces another. */
interface Destination {
  readonly path: string;
  readonly replaces: boolean;
}

/**
 * The file that `--out` means: a name that ends in .html or .svg is a file's, all else a folder's, which is made.
 *
 * @throws FileError when the folder cannot be made, or the file is a folder
 */
export async function profileDestination(out: string): Promise<Destination> {
  const isFile = /\.(html|svg)$/i.test(out);
  const path = isFile ? out : join(out, FILE_NAME);
  if (!isFile) {
    await Deno.mkdir(out, { recursive: true }).catch((cause) => {
      throw writeError(path, cause);
    });
  }
  try {
    const { isDirectory } = await Deno.stat(path);
    if (isDirectory) throw new UsageError(`--out ${path} is a folder: give the name of a file in it`);
    return { path, replaces: true };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { path, replaces: false };
  }
}

/** What would be measured on this adapter. */
async function announceProfile(given: TrainOptions, out: string, json: boolean): Promise<number> {
  using device = await openTuned(given.cache);
  const { plan, options, problem } = planRun(await withInitial(given), device);
  if (problem) throw new RangeError(problem);
  return announce({
    computes: [`time every dispatch of a step: ${planLine(plan, options.batch)}`],
    writes: [/\.(html|svg)$/i.test(out) ? out : join(out, FILE_NAME)],
  }, json);
}

/** `superbatch profile`. */
export async function profile(options: InvocationOf<"profile">): Promise<number> {
  const { action: _, out, json, quiet, by, runs, dryRun, ...input } = options;
  // Nothing is drawn from a pool, so none is too small.
  const given = givenOptions({ ...input, poolSize: Number.MAX_SAFE_INTEGER });
  if (dryRun) return await announceProfile(given, out, json);
  const { path, replaces } = await profileDestination(out); // before minutes of measuring
  using device = await openTuned(given.cache);
  const { options: planned, problem } = planRun(await withInitial(given), device);
  if (problem) throw new RangeError(problem);
  const progress = new Progress(undefined, quiet);
  const { arm: _arm, evaluations: _evaluations, score, ...step } = armOptions(planned, planned.sampler);
  const model = { model: planned.init ?? planned.preset, config: modelConfig(planned) };
  const measured = await profileStep(device, { ...step, ...model, score: score ?? undefined, runs }, {
    onStage: (stage) => progress.log(`Measuring ${stage}`),
  });
  const svg = /\.svg$/i.test(path);
  // Without timestamps there is nothing to draw, but the page still tells the rest.
  const drawn = !svg || measured.ops !== null;
  if (drawn) await writeFileAtomic(path, svg ? renderProfileSvg(measured) : renderProfilePage(measured));
  if (json) console.log(JSON.stringify({ ...measured, picture: drawn ? path : null }));
  else {
    console.log(profileText(measured, by));
    if (drawn) console.log(`\nRoofline: ${path}${replaces ? " (in place of the one that was there)" : ""}`);
  }
  if (json && measured.ops === null) console.error(noTimestamps);
  if (json && replaces) console.error(`${path} was replaced`);
  return ExitCode.ok;
}
