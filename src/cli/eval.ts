import { referenceNames } from "../run/arm_options.ts";
import { openTuned } from "../run/tuning.ts";
import { readRun } from "../report/run_folder.ts";
import { evaluationTable } from "../report/terminal.ts";
import type { RecallScore } from "../eval/caption_retrieval.ts";
import { clipTemplates, promptsOf } from "../eval/prompt_templates.ts";
import { embedPairs } from "../run/embed_pairs.ts";
import { embedTest, evaluateEmbeddings, type TestEmbeddings } from "../run/evaluate.ts";
import { type ClassName, evaluatePairs, type PairEvaluation } from "../run/evaluate_pairs.ts";
import { openModel } from "../run/open_model.ts";
import { loadRunModel, savedOptions } from "../run/saved_run.ts";
import { prepareData } from "../run/prepare.ts";
import type { Evaluation } from "../eval/evaluation.ts";
import type { InvocationOf } from "./command_line.ts";
import { readLines, readOptions } from "./embed.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { Progress } from "./progress.ts";

/** `superbatch eval RUN`, and `superbatch eval RUN|MODEL --data DATA`. */
export async function evaluateRun(options: InvocationOf<"eval">): Promise<number> {
  if (options.data !== undefined) return await evaluateData(options, options.data);
  const stray = (["classes", "templates", "shots", "limit"] as const).find((name) =>
    options[name] !== undefined
  );
  if (stray) throw new UsageError(`--${stray} goes with --data DATA`);
  return await evaluateHeldOut(options);
}

async function evaluateData(options: InvocationOf<"eval">, data: string): Promise<number> {
  const { run, classes, templates, shots = [], seeds, json, quiet } = options;
  const named = classes === undefined ? undefined : classNames(await readLines(classes), classes);
  const prompts = templates === undefined ? clipTemplates : await readLines(templates);
  promptsOf(["class"], prompts); // before minutes of embedding
  const progress = new Progress(undefined, quiet);
  using device = await openTuned();
  using opened = await openModel(device, run);
  try {
    const embedded = await embedPairs(opened, data, readOptions(options, progress, "Embedding"));
    const result = await evaluatePairs(opened, embedded, {
      classes: named,
      templates: prompts,
      shots,
      seeds: Array.from({ length: seeds }, (_, at) => at + 1),
    });
    progress.close();
    console.log(json ? JSON.stringify(result) : pairEvaluationTable(result));
    return ExitCode.ok;
  } finally {
    progress.close();
  }
}

/** Classes from lines such as `dog`, or `n02084071<TAB>dog`. */
function classNames(lines: readonly string[], file: string): ClassName[] {
  if (lines.length === 0) throw new RangeError(`${file} names no class: write one a line`);
  const seen = new Set<string>();
  return lines.map((line) => {
    const [label, name = label] = line.split("\t");
    if (seen.has(label)) throw new RangeError(`${file} names the class "${label}" twice`);
    seen.add(label);
    return { label, name };
  });
}

async function evaluateHeldOut({ run: path, json, quiet }: InvocationOf<"eval">): Promise<number> {
  const progress = new Progress(undefined, quiet);
  const run = await readRun(path);
  const options = savedOptions(run);
  using device = await openTuned();
  const data = await prepareData(options, {
    onProgress: (stage, done, total) => progress.update(stage, done, total),
    log: (line) => progress.log(line),
    signal: AbortSignal.any([]),
  });
  const results: Record<string, Evaluation> = {};
  const models: Record<string, readonly string[]> = {
    learner: ["learner"],
    ...(run.summary.compare ? { [run.summary.compare.arm]: [run.summary.compare.arm] } : {}),
    ...(run.summary.reference ? { reference: referenceNames(options) } : {}),
  };
  for (const [name, files] of Object.entries(models)) {
    const members: TestEmbeddings[] = [];
    for (const file of files) {
      using model = await loadRunModel(device, path, file);
      // A model that was brought along, or began as one, reads captions by its own tokenizer; a reference sees its own patches.
      const brought = name === "reference" && options.reference !== null;
      const { test } = brought || options.init !== null
        ? data.tokenisedBy(model.notes.tokenizer, model.config.text)
        : data;
      members.push(await embedTest(model, test, brought ? undefined : options.patch ?? undefined));
    }
    results[name] = evaluateEmbeddings(members, data.test);
  }
  progress.close();
  console.log(json ? JSON.stringify(results) : evaluationTable(results));
  return ExitCode.ok;
}

function pairEvaluationTable(
  { pictures, captions, bad, retrieval, zeroShot, linearProbe }: PairEvaluation,
): string {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`.padStart(9);
  const number = (count: number) => count.toLocaleString("en");
  const direction = (name: string, { r1, r5, r10, meanRank }: RecallScore) =>
    `${name.padEnd(22)}R@1 ${percent(r1)}   R@5 ${percent(r5)}   R@10 ${percent(r10)}   mean rank ${
      meanRank.toFixed(3)
    }`;
  return [
    `${number(pictures)} pictures, ${number(captions)} captions${bad > 0 ? `, ${bad} samples skipped` : ""}`,
    "",
    direction("image → text", retrieval.imageToText),
    direction("text → image", retrieval.textToImage),
    ...(zeroShot
      ? [
        `${"zero-shot".padEnd(22)}top 1 ${percent(zeroShot.top1).trimStart()}   top 5 ${
          percent(zeroShot.top5).trimStart()
        }   (${zeroShot.classes} classes, ${zeroShot.templates} templates)`,
      ]
      : []),
    ...(linearProbe ?? []).map(({ shots, mean, deviation, accuracies, tested }) =>
      `${`linear probe, ${shots}-shot`.padEnd(22)}${percent(mean).trimStart()} ± ${
        (deviation * 100).toFixed(1)
      }   (${accuracies.length} seeds, ${number(tested)} pictures tested)`
    ),
  ].join("\n");
}
