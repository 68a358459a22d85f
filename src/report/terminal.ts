/**
 * What a run came to, for the terminal.
 *
 * @module
 */

import type { Evaluation, RunSummary } from "../train/record.ts";
import { armName } from "./arm_name.ts";

/** A number to three digits with its unit's prefix, as people read it: 1.9 G, 430 k, 0.25. */
export function compact(value: number): string {
  for (const [prefix, size] of [["P", 1e15], ["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]] as const) {
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))} ${prefix}`;
  }
  return `${Number(value.toPrecision(3))}`.replace("-", "−");
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** Floating-point operations with their unit: 1.9 GFLOP. */
export function flop(count: number): string {
  return count < 1000 ? `${compact(count)} FLOP` : `${compact(count)}FLOP`;
}

/** Evaluations side by side, one column each. */
export function evaluationTable(results: Readonly<Record<string, Evaluation>>): string {
  const names = Object.keys(results);
  const line = (label: string, cells: readonly string[]) =>
    label.padEnd(22) + cells.map((cell) => cell.padStart(12)).join("");
  const row = (label: string, value: (evaluation: Evaluation) => string) =>
    line(label, names.map((name) => value(results[name])));
  return [
    line("", names),
    row("image → text   R@1", ({ imageToText }) => percent(imageToText.r1)),
    row("               R@5", ({ imageToText }) => percent(imageToText.r5)),
    row("text → image   R@1", ({ textToImage }) => percent(textToImage.r1)),
    row("               R@5", ({ textToImage }) => percent(textToImage.r5)),
    ...(names.some((name) => results[name].zeroShot)
      ? [
        row("zero-shot      top 1", ({ zeroShot }) => zeroShot ? percent(zeroShot.top1) : "–"),
        row("               top 5", ({ zeroShot }) => zeroShot ? percent(zeroShot.top5) : "–"),
      ]
      : []),
    row("mean rank", ({ textToImage }) => textToImage.meanRank.toFixed(3)) + "   (0 best, 0.5 chance)",
  ].join("\n");
}

/** The summary at the end of `superbatch train`. */
export function terminalSummary(summary: RunSummary): string {
  const { evaluation, reference, compare, flops } = summary;
  const learner = compare ? armName(summary.arm) : "learner";
  const lines = [
    "",
    evaluationTable({
      [learner]: evaluation,
      ...(compare ? { [armName(compare.arm)]: compare.evaluation } : {}),
      ...(reference ? { reference } : {}),
    }),
    "",
    `${summary.trainedExamples.toLocaleString("en")} examples trained of ${
      summary.drawnExamples.toLocaleString("en")
    } drawn in ${summary.steps} steps; loss ${summary.loss.first.toFixed(3)} → ${
      summary.loss.last.toFixed(3)
    }`,
    `${flop(flops.learnerTrain)} training, ${flop(flops.learnerScore)} scoring, ${
      flop(flops.referenceTrain + flops.referenceScore)
    } for the reference`,
    `${summary.seconds.toFixed(0)} s on ${summary.adapter}`,
    "",
    `Report: ${summary.run}/report.html`,
  ];
  return lines.join("\n");
}
