import { referenceScores } from "../curation/reference_score.ts";
import { cacheFiles } from "../data/cache.ts";
import { encodeScored, FORMAT } from "../data/scored_pairs.ts";
import { planRun, referenceNames } from "../run/arm_options.ts";
import { prepareData } from "../run/prepare.ts";
import { prepareReference } from "../run/prepare_reference.ts";
import { openTuned } from "../run/tuning.ts";
import { writeFileAtomic } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { announce, dataIntent, ownReferenceIntent } from "./dry_run.ts";
import { ExitCode } from "./errors.ts";
import { Progress } from "./progress.ts";
import { givenOptions } from "./train.ts";

/** `superbatch score`: a reference's score and embeddings of every pair of the pool, in a file. */
export async function score(
  { out, json, quiet, dryRun, action: _, ...input }: InvocationOf<"score">,
): Promise<number> {
  const options = givenOptions({ ...input, sampler: "uniform" }), progress = new Progress(undefined, quiet);
  using device = await openTuned(options.cache);
  const { options: planned, problem } = planRun(options, device);
  if (problem) throw new RangeError(problem);
  if (dryRun) {
    const own = planned.reference === null ? [ownReferenceIntent(planned)] : [];
    const by = planned.reference ?? (referenceNames(planned).length > 1 ? "their mean logits" : "it");
    return announce(
      { computes: [...await dataIntent(planned), ...own, `score every pair by ${by}`], writes: [out] },
      json,
    );
  }
  const hooks = {
    onProgress: (stage: string, done: number, total: number, note?: string) =>
      progress.update(stage, done, total, note),
    log: (line: string) => progress.log(line),
    signal: AbortSignal.any([]),
  };
  const data = await prepareData(planned, hooks), { pool } = data;
  const files = cacheFiles(options.cache);
  const record = { onMetrics: () => Promise.resolve(), onSnapshot: () => Promise.resolve() };
  using reference = await prepareReference({ options: planned, hooks, device, data, files, record });
  const { embeddings } = reference, { width, logitScale, logitBias, image, text } = embeddings;
  const scores = referenceScores(embeddings);
  const content = encodeScored({
    keys: pool.keys ?? pool.captions.map((_, pair) => `${pair}`),
    captions: pool.captions,
    scores,
    image,
    text,
    header: { format: FORMAT, width, logitScale, logitBias, data: pool.hash },
  }, out);
  await writeFileAtomic(out, content);
  progress.close();
  const sorted = scores.toSorted(), at = (share: number) => sorted[Math.round(share * (pool.size - 1))];
  const summary = {
    file: out,
    pairs: pool.size,
    width,
    bytes: content.length,
    median: at(0.5),
    highest: at(1),
  };
  if (json) console.log(JSON.stringify(summary));
  else {
    console.log(
      `${pool.size.toLocaleString("en")} pairs scored: median ${at(0.5).toPrecision(3)}, a tenth above ${
        at(0.9).toPrecision(3)
      }\n${out}`,
    );
  }
  return ExitCode.ok;
}
