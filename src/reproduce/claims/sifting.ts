/**
 * Claims on what makes JEST's scoring cheap: the reference sifts first, and what scoring computed is used again.
 *
 * @module
 */

import type { TrainOptionsInput } from "../../config/train_options.ts";
import { preset } from "../../models/config.ts";
import type { Series } from "../../report/figure.ts";
import type { Claim } from "../claim.ts";
import type { Lab, Trained } from "../lab.ts";
import { format } from "../numbers.ts";
import { bootstrap, conjunction, crossing, type Interval, verdictAbove } from "../statistics.ts";
import { learned, point, recallLabel, spent, uniform } from "./curves.ts";

/** What may be reached, each 0 for chance. */
const scores = {
  "R@5": learned,
  "MRR": ({ evaluation: { textToImage } }: Trained) => textToImage.mrr,
  "mean rank": ({ evaluation: { textToImage } }: Trained) => 1 - 2 * textToImage.meanRank,
} as const;
const examples = ({ lines }: Trained) => lines.at(-1)!.trainedExamples;

/** Lengths of training by which an arm's need is read off, as parts of the scale's steps. */
const RUNGS = [8, 4, 2, 1] as const;

/** An arm at every length of training, each with a schedule of its own. */
async function climb(lab: Lab, options: TrainOptionsInput): Promise<Trained[][]> {
  const ladder: Trained[][] = [];
  for (const part of RUNGS) {
    ladder.push(await lab.trainAll({ ...options, steps: Math.ceil(lab.scale.options.steps / part) }));
  }
  return ladder;
}

/**
 * How many times less of something an arm needs to a long run's score, over seeds; 1 for a seed that does not get there.
 *
 * @param fixed what the arm takes besides, whatever its length
 */
function saving(
  ladder: readonly Trained[][],
  long: readonly Trained[],
  of: (trained: Trained) => number,
  { score = learned, fixed = 0 } = {},
): Interval {
  return bootstrap(long.map((target, seed) => {
    const own = ladder.map((all) => ({ x: of(all[seed]), y: score(all[seed]) }));
    const needed = crossing(own, score(target));
    return needed === null ? 1 : of(target) / (needed + fixed);
  }));
}

/** What a reference like the learner takes: its training, and its pass over the pool. */
async function referenceFlops(lab: Lab, base: TrainOptionsInput, long: readonly Trained[]): Promise<number> {
  const { batch, poolSize = 20_000, referenceSteps } = lab.scale.options, [seed] = lab.seeds;
  const [{ flops, lines }] = long, step = flops.learnerTrain / lines.at(-1)!.step;
  const patch = base.patch ?? preset(lab.scale.options.preset!).vision.patchSize;
  return referenceSteps! * step + poolSize / batch! * await lab.forwardFlops(seed, base, patch);
}

/** Claim 20. */
export const sifting: Claim = {
  number: 20,
  title: "Sifting by the reference first makes JEST's scoring cheap",
  paper: null,
  measure:
    "What each arm needs to the final R@5 of the long uniform run with the same patches, and of one twice as long, every length of " +
    "training with a schedule of its own: trained examples, and the learner's FLOPs, scoring counted. Where an arm is sifted, the " +
    "reference's own, kept score leaves the learner 2.5 b of 10 b examples to score (b the batch), or 1.5 b of 20 b. The claim " +
    "holds when JEST sifted from 20 b to 1.5 b needs less than a quarter of uniform sampling's FLOPs to the first of these " +
    "scores, and Flexi-JEST less than an eighth.",
  trains: true,
  async run(lab) {
    const [fine, coarse] = lab.scale.patches, plain = {}, finely = { patch: fine };
    const coarselyScored = { patch: fine, scorePatch: coarse, coarseShare: 0 };
    const flexi = { ...coarselyScored, coarseShare: 0.5 };
    const gently = { prefilter: 0.75 }, hard = { filterRatio: 0.95, prefilter: 0.925, reuseScoring: true };
    const filtered = { ...uniform, curate: "reference-score" } as const;
    const arms: { name: string; options: TrainOptionsInput; base: TrainOptionsInput }[] = [
      { name: "independent", options: { sampler: "independent" }, base: plain },
      { name: "easy reference", options: { score: "easy-reference" }, base: plain },
      { name: "static filter, a tenth", options: filtered, base: plain },
      { name: "static filter, a twentieth", options: { ...filtered, filterRatio: 0.95 }, base: plain },
      { name: "JEST", options: plain, base: plain },
      { name: "JEST, 10 b → 2.5 b", options: gently, base: plain },
      { name: "JEST, 20 b → 1.5 b", options: hard, base: plain },
      { name: "JEST, fine patches", options: finely, base: finely },
      { name: "Flexi-JEST", options: flexi, base: finely },
      { name: "Flexi-JEST, 10 b → 2.5 b", options: { ...flexi, ...gently }, base: finely },
      { name: "Flexi-JEST, 20 b → 1.5 b", options: { ...flexi, ...hard }, base: finely },
      { name: "the same, all trained finely", options: { ...coarselyScored, ...hard }, base: finely },
    ];
    const rows: string[][] = [], others: string[][] = [], ends: string[][] = [];
    const series = new Map<TrainOptionsInput, Series[]>();
    const flops = new Map<string, Interval>();
    for (const { name, options, base } of arms) {
      const ladder = await climb(lab, options), { longSteps } = lab.scale;
      const long = await lab.trainAll({ ...uniform, ...base, steps: longSteps });
      const longer = await lab.trainAll({ ...uniform, ...base, steps: 2 * longSteps });
      const fewer = saving(ladder, long, spent), fixed = await referenceFlops(lab, base, long);
      flops.set(name, fewer);
      rows.push([
        name,
        format(bootstrap(long.map(learned))),
        format(saving(ladder, long, examples)),
        format(fewer),
        format(saving(ladder, long, spent, { fixed })),
        format(bootstrap(longer.map(learned))),
        format(saving(ladder, longer, examples)),
        format(saving(ladder, longer, spent)),
      ]);
      others.push([
        name,
        ...Object.values(scores).map((score) => format(saving(ladder, long, spent, { score }))),
      ]);
      const last = ladder.at(-1)!;
      const rank = ({ evaluation }: Trained) => evaluation.textToImage.meanRank;
      ends.push([name, ...[spent, learned, rank].map((of) => format(bootstrap(last.map(of))))]);
      const drawn = (of: readonly Trained[][]) =>
        of.map((all) => point(spent(all[0]), bootstrap(all.map(learned))));
      if (!series.has(base)) {
        series.set(base, [{ name: "uniform", points: drawn([long, longer]), dashed: true }]);
      }
      series.get(base)!.push({ name, points: drawn(ladder) });
    }
    const [steps, twice] = [1, 2].map((times) => (times * lab.scale.longSteps).toLocaleString("en"));
    return {
      verdict: conjunction([
        verdictAbove(flops.get("JEST, 20 b → 1.5 b")!, 4),
        verdictAbove(flops.get("Flexi-JEST, 20 b → 1.5 b")!, 8),
      ]),
      summary: `To the score of ${steps} uniform steps the learner needs fewer FLOPs by a factor of ${
        [...flops].map(([name, fewer]) => `${format(fewer)} (${name})`).join(", ")
      }.`,
      figures: [...series].map(([base, series]) => ({
        title: `Score against the learner's FLOPs, every point a schedule of its own${
          base.patch ? `; patches of ${base.patch} pixels` : ""
        }`,
        xLabel: "learner's FLOPs",
        yLabel: recallLabel,
        yFormat: "percent",
        logX: true,
        series,
      })),
      tables: [{
        title: "How many times less than uniform runs of two lengths with the same patches",
        headings: [
          "arm",
          `R@5 after ${steps} uniform steps`,
          "fewer trained examples",
          "fewer FLOPs",
          "fewer FLOPs, a reference's counted",
          `R@5 after ${twice}`,
          "fewer trained examples",
          "fewer FLOPs",
        ],
        rows,
      }, {
        title: `How many times fewer FLOPs to the score of ${steps} uniform steps`,
        headings: ["arm", ...Object.keys(scores).map((name) => `in ${name}`)],
        rows: others,
      }, {
        title: `What ${lab.scale.options.steps} steps come to`,
        headings: ["arm", "learner's FLOPs", "R@5", "mean rank"],
        rows: ends,
      }],
    };
  },
};
