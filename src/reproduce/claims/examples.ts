/**
 * The claim about how many fewer examples a selecting learner needs.
 *
 * @module
 */

import type { TrainOptionsInput } from "../../config/train_options.ts";
import type { Claim } from "../claim.ts";
import { recall, type Trained } from "../lab.ts";
import { format } from "../numbers.ts";
import { bootstrap, conjunction, crossing, verdictAbove } from "../statistics.ts";
import { curve, ownCurve, point, RATIOS, recallLabel, spent, uniform } from "./curves.ts";

/** What JEST is held against at equal trained examples, by name. */
const rivalArms = (
  { poolSize = 20_000, inDomain = 0.1 }: TrainOptionsInput,
): Record<string, TrainOptionsInput> => ({
  "JEST, sifted": { prefilter: 0.75 },
  // Scored as one patch.
  "Flexi-JEST": { scorePatch: 32 },
  "independent": { sampler: "independent" },
  "easy reference": { score: "easy-reference" },
  "hard learner": { score: "hard-learner" },
  "static filter": { ...uniform, curate: "reference-score" },
  "de-duplicated": { ...uniform, curate: "deduplicate" },
  "uniform": uniform,
  // What no selection can know: the pool's in-domain pairs, and no others.
  "oracle": { ...uniform, inDomain: 1, poolSize: Math.round(poolSize * inDomain) },
});

/** How many times fewer examples are needed, over seeds; 1 stands for a run that did not get there. */
function times(saved: readonly number[]): string {
  const reached = saved.filter((value) => value !== 1).length;
  if (reached === 0) return "more than it was given";
  const missed = reached < saved.length
    ? `, ${saved.length - reached} of ${saved.length} seeds not there`
    : "";
  return `${format(bootstrap(saved))} times fewer${missed}`;
}

/** Claim 5. */
export const fewerExamples: Claim = {
  number: 5,
  title: "The higher the filter ratio, the fewer trained examples to uniform's final score",
  paper:
    "Uniform sampling's score after 3 billion examples is reached after 2, 1 and .67 billion at f = .5, .8 and .9; " +
    "against a run of 40 billion 13 times fewer examples are needed.",
  measure:
    "Trained examples at which JEST first reaches the final R@5 of the long uniform run, read off one run by f, and for " +
    "f = .9 also off shorter runs each with a schedule of its own. The claim holds when f = .9 needs fewer than uniform, and " +
    "fewer than f = .5.",
  trains: true,
  async run(lab) {
    const { steps, batch } = lab.scale.options,
      long = await lab.trainAll({ ...uniform, steps: lab.scale.longSteps }, { curve: true });
    const arms = new Map<number, Trained[]>();
    for (const filterRatio of RATIOS) {
      arms.set(filterRatio, await lab.trainAll({ filterRatio }, { curve: true }));
    }
    const examples = lab.scale.longSteps * batch!;
    // An arm that does not get there counts with all that it was given.
    const savedBy = (reached: (at: number) => number | null, limit: number) =>
      lab.seeds.map((_, at) => examples / (reached(at) ?? limit));
    const target = (at: number) => recall(long[at].evaluation);
    const saved = new Map(RATIOS.map((ratio) => [
      ratio,
      savedBy((at) => crossing(ownCurve(arms.get(ratio)![at]), target(at)), examples),
    ]));
    const ladder: Trained[][] = [];
    const rungs = [4, 2, 1].map((part) => Math.ceil(steps / part));
    for (const rung of rungs) ladder.push(await lab.trainAll({ filterRatio: 0.9, steps: rung }));
    const ownSchedules = savedBy((at) =>
      crossing(
        ladder.map((all, rung) => ({ x: rungs[rung] * batch!, y: recall(all[at].evaluation) })),
        target(at),
      ), examples);
    const highest = bootstrap(saved.get(0.9)!);
    const rise = bootstrap(saved.get(0.9)!.map((value, at) => value - saved.get(0.5)![at]));
    const lines = [
      { name: "uniform, long", all: long },
      ...RATIOS.map((ratio) => ({ name: `JEST, f = ${ratio}`, all: arms.get(ratio)! })),
    ];
    // What else the field would do with as many trained examples, at the same ratio.
    const rivals: { name: string; all: Trained[] }[] = [{ name: "JEST, f = 0.9", all: arms.get(0.9)! }];
    for (const [name, options] of Object.entries(rivalArms(lab.scale.options))) {
      rivals.push({ name, all: await lab.trainAll({ filterRatio: 0.9, ...options }, { curve: true }) });
    }
    return {
      verdict: conjunction([verdictAbove(highest, 1), verdictAbove(rise, 0)]),
      summary: `To the final score of uniform sampling after ${
        examples.toLocaleString("en")
      } examples JEST needs ${
        RATIOS.map((ratio) => `${times(saved.get(ratio)!)} at f = ${ratio}`).join(", ")
      }; with a schedule of its own ${times(ownSchedules)} at f = .9.`,
      figures: [
        {
          title: "Score against trained examples",
          xLabel: "trained examples",
          yLabel: recallLabel,
          yFormat: "percent",
          series: lines.map(({ name, all }) => ({
            name,
            points: curve(all, (line) => line.trainedExamples),
          })),
        },
        {
          title: "Score against the learner's FLOPs, scoring counted, the reference apart",
          xLabel: "learner's FLOPs",
          yLabel: recallLabel,
          yFormat: "percent",
          series: lines.map(({ name, all }) => ({
            name,
            points: curve(all, spent),
          })),
        },
        {
          title: "All arms at equal trained examples, f = .9",
          xLabel: "trained examples",
          yLabel: recallLabel,
          yFormat: "percent",
          series: rivals.map(({ name, all }) => ({
            name,
            points: curve(all, (line) => line.trainedExamples),
          })),
        },
        {
          title: "All arms against the learner's FLOPs, f = .9",
          xLabel: "learner's FLOPs",
          yLabel: recallLabel,
          yFormat: "percent",
          series: rivals.map(({ name, all }) => ({
            name,
            points: curve(all, spent),
          })),
        },
        {
          title: "Score against seconds of training",
          xLabel: "seconds",
          yLabel: recallLabel,
          yFormat: "percent",
          series: lines.map(({ name, all }) => ({ name, points: curve(all, ({ seconds }) => seconds) })),
        },
        {
          title: "Share of the trained pictures that are in-domain",
          xLabel: "step",
          yLabel: "in-domain among the trained",
          yFormat: "percent",
          series: lines.slice(1).map(({ name, all }) => ({
            name,
            points: all[0].lines.map(({ step }, at) =>
              point(step, bootstrap(all.map(({ lines }) => lines[at].inDomainShare!)))
            ),
          })),
        },
      ],
      tables: [{
        title: `Final scores; ${steps} steps, uniform also ${lab.scale.longSteps}`,
        headings: ["arm", "R@5", "MRR", "mean rank", "learner's FLOPs", "seconds"],
        rows: [...lines, ...rivals.slice(1)].map(({ name, all }) => [
          name,
          format(bootstrap(all.map(({ evaluation }) => recall(evaluation)))),
          format(bootstrap(all.map(({ evaluation }) => evaluation.textToImage.mrr))),
          format(bootstrap(all.map(({ evaluation }) => evaluation.textToImage.meanRank))),
          format(spent(all[0])),
          format(bootstrap(all.map(({ seconds }) => seconds))),
        ]),
      }],
    };
  },
};
