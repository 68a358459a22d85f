/**
 * A run as one self-contained HTML page.
 *
 * @module
 */

import type {
  Arm,
  Evaluation,
  MetricLine,
  RunSummary,
  SelectionSnapshot,
  SnapshotExample,
} from "../train/record.ts";
import { armName } from "./arm_name.ts";
import { type Chart, type Point, renderChart } from "./charts.ts";
import { encodePng } from "./png.ts";
import { style } from "./style.ts";
import { flop } from "./terminal.ts";

/** What a report shows. */
export interface ReportInput {
  /** What the run came to. */
  readonly summary: RunSummary;
  /** Options as they were resolved. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Every line of every arm, oldest first. */
  readonly metrics: readonly MetricLine[];
  /** Super-batches with their scores, oldest first; none when nothing was scored. */
  readonly snapshots: readonly SelectionSnapshot[];
  /** Pixels [I, I, 3] of a pool example. */
  readonly picture: (index: number) => Uint8Array;
  /** I */
  readonly imageSize: number;
  /** Queries with the pictures found, best first. */
  readonly searches: readonly {
    readonly query: string;
    readonly hits: readonly {
      readonly caption: string;
      readonly score: number;
      readonly pixels: Uint8Array;
    }[];
  }[];
  /** Shares of the whole pool, to hold the selected ones against. */
  readonly poolShares?: { readonly inDomain: number; readonly clean: number };
  /** One line a source of the data: who made it, its licence, where it is. */
  readonly attributions: readonly string[];
  /** What to type to make the same run. */
  readonly command: string;
}

/** Most examples that a contact sheet shows of the selected, and of the rejected. */
const SHEET_LENGTH = 24;

/** Text as HTML. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (sign) => names[sign]);
}

/** The report as the text of an HTML file. */
export function renderReport(input: ReportInput): string {
  const { summary, config } = input;
  const title = `superbatch: ${summary.run.split("/").at(-1)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(headline(summary))}</h1>
<p class="lead">${escapeHtml(describe(summary, config))}</p>
${numbers(summary)}
${evaluationTable(summary)}
<h2>Learning</h2>
<div class="charts">${learningCharts(input).map(figure).join("\n")}</div>
<h2>What was selected</h2>
${selectionText(input)}
<div class="charts">${selectionCharts(input).map(figure).join("\n")}</div>
${input.snapshots.map((snapshot) => contactSheet(snapshot, input)).join("\n")}
${searchSection(input)}
<h2>This run</h2>
<pre>${escapeHtml(input.command)}</pre>
${configTable(config)}
<h3>Data by</h3>
<ul>${input.attributions.map((line) => `<li>${escapeHtml(line)}</li>`).join("")}</ul>
</main>
</body>
</html>
`;
}

const percent = (share: number, digits = 1) => `${(share * 100).toFixed(digits)} %`;

type Config = ReportInput["config"];

const shareTick = (share: number) => `${Number((share * 100).toPrecision(3))} %`;

function byArm(summary: RunSummary): [Arm, Evaluation][] {
  return [
    [summary.arm, summary.evaluation],
    ...(summary.compare ? [[summary.compare.arm, summary.compare.evaluation] as [Arm, Evaluation]] : []),
    ...(summary.reference ? [["reference", summary.reference] as [Arm, Evaluation]] : []),
  ];
}

function headline(summary: RunSummary): string {
  const arms = new Map(byArm(summary));
  const jest = arms.get("joint"), uniform = arms.get("uniform");
  if (jest && uniform && meanR5(uniform) > 0) {
    const ratio = meanR5(jest) / meanR5(uniform);
    return `JEST scores ${ratio.toFixed(1)} × uniform sampling at equal examples`;
  }
  return `${percent(meanR5(summary.evaluation))} of held-out pairs found among the first five`;
}

const meanR5 = ({ imageToText, textToImage }: Evaluation) => (imageToText.r5 + textToImage.r5) / 2;

function describe(summary: RunSummary, config: Config): string {
  const { steps, trainedExamples, drawnExamples, compare } = summary;
  const model = typeof config.preset === "string" ? ` ${config.preset}` : "";
  const whole = (count: number) => count.toLocaleString("en");
  const equal = compare ? ", both arms on as many examples" : "";
  const scores = byArm(summary)
    .filter(([arm]) => arm !== "reference")
    .map(([arm, evaluation]) => `${armName(arm)} ${percent(meanR5(evaluation))}`);
  return `A${model} dual encoder after ${steps} steps: ${whole(trainedExamples)} examples trained, ` +
    `${whole(drawnExamples)} drawn${equal}. Recall among the first five, both ways averaged, on ${
      typeof config.pool === "string" ? "held-out pairs" : "pictures by a vendor that no training has seen"
    }: ${scores.join(", ")}. One run, one seed.`;
}

function numbers(
  { evaluation, trainedExamples, drawnExamples, flops, seconds, adapter }: RunSummary,
): string {
  const cells = [
    [percent(evaluation.imageToText.r5), "image → text, R@5"],
    [percent(evaluation.textToImage.r5), "text → image, R@5"],
    evaluation.zeroShot
      ? [percent(evaluation.zeroShot.top1), "zero-shot, top 1"]
      : [evaluation.textToImage.meanRank.toFixed(3), "mean rank, 0.5 is chance"],
    [trainedExamples.toLocaleString("en"), `trained of ${drawnExamples.toLocaleString("en")} drawn`],
    [flop(flops.learnerTrain + flops.learnerScore), "learner: training and scoring"],
    [`${seconds.toFixed(0)} s`, adapter],
  ];
  return `<div class="numbers">${
    cells.map(([value, label]) => `<div><b>${escapeHtml(value)}</b><span>${escapeHtml(label)}</span></div>`)
      .join("")
  }</div>`;
}

function evaluationTable(summary: RunSummary): string {
  const arms = byArm(summary);
  const row = (label: string, value: (evaluation: Evaluation) => string) =>
    `<tr><td>${label}</td>${arms.map(([, evaluation]) => `<td>${value(evaluation)}</td>`).join("")}</tr>`;
  return `<div class="scroll"><table><thead><tr><th></th>${
    arms.map(([arm]) => `<th class="${arm}">${armName(arm)}</th>`).join("")
  }</tr></thead><tbody>
${row("image → text R@1", ({ imageToText }) => percent(imageToText.r1))}
${row("image → text R@5", ({ imageToText }) => percent(imageToText.r5))}
${row("text → image R@1", ({ textToImage }) => percent(textToImage.r1))}
${row("text → image R@5", ({ textToImage }) => percent(textToImage.r5))}
${row("text → image MRR", ({ textToImage }) => textToImage.mrr.toFixed(3))}
${row("text → image mean rank", ({ textToImage }) => textToImage.meanRank.toFixed(3))}
${
    summary.evaluation.zeroShot
      ? row("zero-shot top 1", ({ zeroShot }) => percent(zeroShot!.top1)) +
        row("zero-shot top 5", ({ zeroShot }) => percent(zeroShot!.top5))
      : ""
  }
</tbody></table></div>
<p class="note">R@k: share found among the first k. MRR: mean of 1 / rank. Mean rank: 0 is best, 0.5 is chance.</p>`;
}

function figure(chart: Chart): string {
  const svg = renderChart(chart);
  return svg === "" ? "" : `<figure>${svg}<figcaption>${escapeHtml(chart.title)}</figcaption></figure>`;
}

function learningCharts({ metrics, summary }: ReportInput): Chart[] {
  const lines = metrics.filter(({ arm }) => arm !== "reference");
  const points = (x: (line: MetricLine) => number, y: (line: MetricLine) => number | undefined): Point[] =>
    lines.flatMap((line) => {
      const value = y(line);
      return value === undefined ? [] : [{ arm: line.arm, x: x(line), y: value }];
    });
  const score = ({ evaluation }: MetricLine) => evaluation && meanR5(evaluation);
  const learnerFlops = ({ flops }: MetricLine) => flops.learnerTrain + flops.learnerScore;
  const level = summary.reference && { y: meanR5(summary.reference), label: "reference" };
  const scoreAxis = { yLabel: "R@5", yFormat: shareTick, ...(level ? { level } : {}) };
  const axes = [
    { name: "trained examples", xLabel: "examples trained", x: (line: MetricLine) => line.trainedExamples },
    { name: "compute, scoring counted, the reference not", xLabel: "FLOPs of the learner", x: learnerFlops },
    { name: "time", xLabel: "seconds of training", x: (line: MetricLine) => line.seconds },
  ];
  return [
    ...axes.map(({ name, xLabel, x }) => ({
      title: `Score against ${name}`,
      xLabel,
      points: points(x, score),
      ...scoreAxis,
    })),
    ...axes.map(({ name, xLabel, x }) => ({
      title: `Loss against ${name}`,
      xLabel,
      yLabel: "loss of the batch",
      points: points(x, ({ loss }) => loss),
    })),
  ];
}

function selectionCharts({ metrics, poolShares, config }: ReportInput): Chart[] {
  const lines = metrics.filter(({ arm }) => arm !== "reference");
  const points = (value: (line: MetricLine) => number | undefined): Point[] =>
    lines.flatMap((line) => {
      const y = value(line);
      return y === undefined ? [] : [{ arm: line.arm, x: line.trainedExamples, y }];
    });
  const share = (title: string, value: (line: MetricLine) => number | undefined, pool?: number): Chart => ({
    title,
    xLabel: "examples trained",
    yLabel: "share of the batch",
    yFormat: shareTick,
    points: points(value),
    ...(pool === undefined ? {} : { level: { y: pool, label: "pool" } }),
  });
  return [
    ...(poolShares
      ? [share(
        "In-domain pictures among the selected",
        ({ inDomainShare }) => inDomainShare,
        poolShares.inDomain,
      )]
      : []),
    ...(poolShares && poolShares.clean < 1
      ? [share("Captions that are the picture's own", ({ cleanShare }) => cleanShare, poolShares.clean)]
      : []),
    {
      ...scoreWords(config).batch,
      xLabel: "examples trained",
      points: points(({ batchLearnability }) => batchLearnability),
    },
    {
      title: "Different examples among those trained: the rest are repeats",
      xLabel: "examples trained",
      yLabel: "different examples",
      points: points(({ distinctExamples }) => distinctExamples),
    },
  ];
}

/** What the run's score is, of a batch in a chart and of a pair in a sentence. */
function scoreWords({ score }: Config): { batch: Pick<Chart, "title" | "yLabel">; pair: string } {
  if (score === "easy-reference") {
    return {
      batch: { title: "Score of the selected batches: minus the reference's loss", yLabel: "batch score" },
      pair: "how easy it is for the reference",
    };
  }
  if (score === "hard-learner") {
    return {
      batch: { title: "Score of the selected batches: the learner's loss", yLabel: "batch score" },
      pair: "how hard it is for the learner",
    };
  }
  return {
    batch: {
      title: "Learnability of the selected batches: the learner's loss minus the reference's",
      yLabel: "batch learnability",
    },
    pair: "how much harder it is for the learner than for the reference",
  };
}

function selectionText({ snapshots, poolShares, config }: ReportInput): string {
  if (snapshots.length === 0) return `<p class="soft">This run sampled uniformly: nothing was scored.</p>`;
  const pool = poolShares
    ? ` The pool is ${percent(poolShares.inDomain, 0)} in-domain; the sampler does not know which.`
    : "";
  return `<p>Each step draws a super-batch, scores every pair by ${
    scoreWords(config).pair
  }, and trains on the ` +
    `part that ${
      config.sampler === "joint" ? "is jointly highest" : `${config.sampler} selection takes`
    }.${pool} Below each picture ` +
    `stand its caption and that score of the pair alone; at most ${SHEET_LENGTH} of each kind are shown, evenly from the ` +
    `highest to the lowest.</p>`;
}

function contactSheet({ step, examples }: SelectionSnapshot, input: ReportInput): string {
  const byScore = examples.toSorted((a, b) => b.score - a.score);
  const part = (name: string, chosen: boolean) => {
    const members = byScore.filter(({ order }) => (order !== null) === chosen);
    const known = members.filter(({ inDomain }) => inDomain !== undefined);
    const share = known.length === 0
      ? ""
      : `, ${percent(known.filter(({ inDomain }) => inDomain).length / known.length, 0)} in-domain`;
    return `<h4>${name} <span class="soft">${members.length} of ${examples.length}${share}</span></h4>
<div class="sheet">${
      evenly(members, SHEET_LENGTH).map((example) => exampleTile(example, input)).join("")
    }</div>`;
  };
  return `<section><h3>Step ${step}</h3>
${part("Selected", true)}
${part("Rejected", false)}</section>`;
}

/** At most `count` of the items, from the first to the last. */
function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, at) => items[Math.round(at * (items.length - 1) / (count - 1))]);
}

function exampleTile(
  { index, caption, score }: SnapshotExample,
  { picture, imageSize }: ReportInput,
): string {
  return pictureTile(picture(index), imageSize, caption, score);
}

function pictureTile(pixels: Uint8Array, size: number, caption: string, score: number): string {
  const png = encodePng({ width: size, height: size, pixels }).toBase64();
  const text = escapeHtml(caption);
  const number = score.toFixed(2).replace("-", "−");
  return `<figure class="tile" title="${text}"><img alt="${text}" src="data:image/png;base64,${png}">` +
    `<figcaption><b>${text}</b>${number}</figcaption></figure>`;
}

function searchSection(input: ReportInput): string {
  if (input.searches.length === 0) return "";
  return `<h2>Search</h2>
<p class="soft">The held-out pictures nearest to a text, best first, with their cosine.</p>
${input.searches.map((search) => searchRow(search, input)).join("\n")}`;
}

function searchRow({ query, hits }: ReportInput["searches"][number], { imageSize }: ReportInput): string {
  const tiles = hits.map(({ caption, score, pixels }) => pictureTile(pixels, imageSize, caption, score));
  return `<div class="hits"><div>“${escapeHtml(query)}”</div><div class="sheet">${
    tiles.join("")
  }</div></div>`;
}

function configTable(config: Config): string {
  const rows = Object.entries(config).filter(([, value]) => typeof value !== "object" || value === null);
  return `<div class="scroll"><table><tbody>${
    rows.map(([name, value]) => `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(String(value))}</td></tr>`)
      .join("")
  }</tbody></table></div>`;
}
