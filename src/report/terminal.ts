/**
 * What a run came to, for the terminal.
 *
 * @module
 */

import type { Evaluation, RunSummary } from "../train/record.ts";

/** Numbers a person reads at a glance: 1.9 G, 0.43 T. */
export function compact(value: number): string {
  for (const [unit, size] of [["P", 1e15], ["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]] as const) {
    if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  }
  return value.toFixed(0);
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** Evaluations side by side, one column each. */
export function evaluationTable(results: Readonly<Record<string, Evaluation>>): string {
  const names = Object.keys(results);
  const row = (label: string, value: (evaluation: Evaluation) => string) =>
    label.padEnd(26) + names.map((name) => value(results[name]).padStart(14)).join("");
  return [
    "".padEnd(26) + names.map((name) => name.padStart(14)).join(""),
    row("image → text   R@1", ({ imageToText }) => percent(imageToText.r1)),
    row("               R@5", ({ imageToText }) => percent(imageToText.r5)),
    row("text → image   R@1", ({ textToImage }) => percent(textToImage.r1)),
    row("               R@5", ({ textToImage }) => percent(textToImage.r5)),
    row("mean rank (0 best, .5 chance)", ({ textToImage }) => textToImage.meanRank.toFixed(3)),
    row("zero-shot      top 1", ({ zeroShot }) => percent(zeroShot.top1)),
    row("               top 5", ({ zeroShot }) => percent(zeroShot.top5)),
  ].join("\n");
}

/** The summary at the end of `superbatch train`. */
export function terminalSummary(summary: RunSummary): string {
  const { evaluation, reference, compare, flops } = summary;
  const learner = compare?.arm === "joint" ? "uniform" : compare ? "JEST" : "learner";
  const lines = [
    "",
    evaluationTable({
      [learner]: evaluation,
      ...(compare ? { [compare.arm === "joint" ? "JEST" : "uniform"]: compare.evaluation } : {}),
      ...(reference ? { reference } : {}),
    }),
    "",
    `${summary.trainedExamples.toLocaleString("en")} examples trained of ${
      summary.drawnExamples.toLocaleString("en")
    } drawn in ${summary.steps} steps; loss ${summary.loss.first.toFixed(3)} → ${
      summary.loss.last.toFixed(3)
    }`,
    `FLOPs: ${compact(flops.learnerTrain)} training, ${compact(flops.learnerScore)} scoring, ${
      compact(flops.referenceTrain + flops.referenceScore)
    } for the reference`,
    `${summary.seconds.toFixed(0)} s on ${summary.adapter}`,
    "",
    `Report: ${summary.run}/report.html`,
  ];
  return lines.join("\n");
}
