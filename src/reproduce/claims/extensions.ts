/**
 * Claims that go beyond the paper: where joint selection wins, what mends its weaknesses, and where a reference comes from
 * when nobody curates one.
 *
 * @module
 */

import type { TrainOptionsInput } from "../../config/train_options.ts";
import type { Claim } from "../claim.ts";
import { recall, type Trained } from "../lab.ts";
import { format, share } from "../numbers.ts";
import { bootstrap, conjunction, verdictAbove } from "../statistics.ts";
import { learned, uniform } from "./curves.ts";

const rank = ({ evaluation }: Trained) => evaluation.textToImage.meanRank;
const over = (all: readonly Trained[], of: (trained: Trained) => number) => bootstrap(all.map(of));

/** Twice the default's share of in-domain pictures, so that there is something to choose among them. */
const ample = { inDomain: 0.2 } as const;

/** What a pool may be like, by name. */
export const pools: Readonly<Record<string, TrainOptionsInput>> = {
  "a fifth in-domain": ample,
  "two fifths in-domain": { inDomain: 0.4, poolSize: 10_000 },
  "half of it repeats a few pictures": { ...ample, duplicates: 0.5 },
  "four fifths of it repeat a few pictures": { ...ample, duplicates: 0.8 },
  "half of the in-domain captions exchanged": { ...ample, captionNoise: 0.5 },
  "half of the concepts unknown to the reference": { ...ample, unknownConcepts: 0.5 },
  // Fewer concepts, so fewer pictures of them.
  "tested on concepts that nobody showed": { ...ample, heldOutConcepts: 0.2, poolSize: 17_000 },
};

/** What may be preferred to joint selection, by name. */
const methods: Readonly<Record<string, TrainOptionsInput>> = {
  "JEST": {},
  "independent": { sampler: "independent" },
  "easy reference": { score: "easy-reference" },
  "static filter": { ...uniform, curate: "reference-score" },
  "uniform": uniform,
};

const whereJointWins: Claim = {
  number: 19,
  title: "Joint selection wins where the pool repeats itself",
  paper: null,
  measure:
    "Final R@5 of joint and independent selection, easy reference, a static filter of the same ratio and uniform sampling, over " +
    "pools with different faults. The claim holds when joint is above independent selection and above the static filter where " +
    "half of the pool repeats a few pictures.",
  trains: true,
  async run(lab) {
    const rows: string[][] = [], ranks: string[][] = [];
    const found = new Map<string, Map<string, Trained[]>>();
    for (const [name, pool] of Object.entries(pools)) {
      const arms = new Map<string, Trained[]>();
      for (const [method, options] of Object.entries(methods)) {
        arms.set(method, await lab.trainAll({ ...pool, ...options }));
      }
      found.set(name, arms);
      rows.push([name, ...[...arms.values()].map((all) => format(over(all, learned)))]);
      ranks.push([name, ...[...arms.values()].map((all) => format(over(all, rank)))]);
    }
    const lead = (pool: string, other: string) => {
      const arms = found.get(pool)!;
      const others = arms.get(other)!;
      return bootstrap(arms.get("JEST")!.map((trained, at) => learned(trained) - learned(others[at])));
    };
    const [, , repeating, , exchanged] = Object.keys(pools);
    const [independent, filter] = [lead(repeating, "independent"), lead(repeating, "static filter")];
    const headings = ["pool", ...Object.keys(methods)];
    return {
      verdict: conjunction([verdictAbove(independent, 0), verdictAbove(filter, 0)]),
      summary: `Where half of the pool repeats a few pictures JEST ends ${
        format(independent)
      } above independent selection and ${format(filter)} above the static filter; ${
        Object.keys(pools).filter((name) => name !== repeating)
          .map((name) =>
            `${name}: ${format(lead(name, "independent"))} and ${format(lead(name, "static filter"))}`
          )
          .join("; ")
      }.`,
      figures: [{
        title: `Share of the trained captions that are the picture's own; ${exchanged}`,
        xLabel: "step",
        yLabel: "clean among the trained",
        yFormat: "percent",
        series: [...found.get(exchanged)!].map(([name, all]) => ({
          name,
          points: all[0].lines.map(({ step }, at) => ({
            x: step,
            y: bootstrap(all.map(({ lines }) => lines[at].cleanShare!)).mean,
          })),
        })),
      }],
      tables: [
        { title: "R@5", headings, rows },
        { title: "Mean rank, of 0 to 1; lower is better", headings, rows: ranks },
      ],
    };
  },
};

const meanRank: Claim = {
  number: 21,
  title: "What JEST neglects can be mended by a uniform share of every batch",
  paper: null,
  measure:
    "Mean rank and R@5, by the share that is drawn uniformly, and with other references; half of the concepts are unknown to the reference. The claim holds when a quarter lowers the mean rank.",
  trains: true,
  async run(lab) {
    const pool = { ...ample, unknownConcepts: 0.5 };
    const arms: Record<string, TrainOptionsInput> = {
      "JEST": {},
      "a tenth uniform": { uniformShare: 0.1 },
      "a quarter uniform": { uniformShare: 0.25 },
      "an earlier-stopped reference": { referenceSteps: lab.scale.options.referenceSteps! / 4 },
      "a wider reference": { referencePreset: "midi" },
      "two references": { references: 2 },
      "four references, each of a quarter of the steps": {
        references: 4,
        referenceSteps: lab.scale.options.referenceSteps! / 4,
      },
      "one on the curated set, one on the pool": { referenceData: "curated+pool" },
      "sifted from 20 b to 1.5 b": { filterRatio: 0.95, prefilter: 0.925 },
      "lower filter ratio, .8": { filterRatio: 0.8 },
      "a gain of 1": { gain: 1 },
      "uniform": uniform,
      "uniform, long": { ...uniform, steps: lab.scale.longSteps },
    };
    const found = new Map<string, Trained[]>();
    for (const [name, options] of Object.entries(arms)) {
      found.set(name, await lab.trainAll({ ...pool, ...options }));
    }
    const [plain, mended] = [found.get("JEST")!, found.get("a quarter uniform")!];
    const lower = bootstrap(plain.map((trained, at) => rank(trained) - rank(mended[at])));
    const selecting = Object.keys(arms).filter((name) => !name.startsWith("uniform"));
    const mean = (name: string) => over(found.get(name)!, rank).mean;
    const [best] = selecting.toSorted((a, b) => mean(a) - mean(b));
    return {
      verdict: verdictAbove(lower, 0),
      summary: `A quarter drawn uniformly lowers the mean rank by ${format(lower)}, from ${
        format(over(plain, rank))
      }, and R@5 by ${
        format(bootstrap(plain.map((trained, at) => learned(trained) - learned(mended[at]))))
      }, from ${format(over(plain, learned))}. Of the selecting arms the mean rank is lowest with ${best}: ${
        format(over(found.get(best)!, rank))
      }, at ${format(over(found.get(best)!, learned))} of R@5.`,
      figures: [],
      tables: [{
        title: "What was tried",
        headings: ["arm", "mean rank", "R@5", "R@1"],
        rows: [...found].map(([name, all]) => [
          name,
          format(over(all, rank)),
          format(over(all, learned)),
          format(
            over(
              all,
              ({ evaluation: { imageToText, textToImage } }) => (imageToText.r1 + textToImage.r1) / 2,
            ),
          ),
        ]),
      }],
    };
  },
};

const referenceFromTask: Claim = {
  number: 22,
  title: "A reference can be inferred from a few examples of the task",
  paper: null,
  measure:
    "Final R@5 of JEST by what the reference learned from: the curated set; a few of its pairs that stand for a task; these and " +
    "the pairs of the pool nearest to them by a model of the pool. The claim holds when the inferred set is above the examples " +
    "alone and above uniform sampling.",
  trains: true,
  async run(lab) {
    const task = { referenceData: "task" } as const, few = lab.scale.options.batch!; // a batch of the reference is the least
    const arms: Record<string, TrainOptionsInput> = {
      "curated by hand": {},
      "200 examples alone": { ...task, taskPairs: 0 },
      "200 examples, 1,000 of the pool": task,
      [`${few} examples alone`]: { ...task, taskExamples: few, taskPairs: 0 },
      [`${few} examples, 1,000 of the pool`]: { ...task, taskExamples: few },
      "the pool": { referenceData: "pool" },
      "no reference: uniform": uniform,
    };
    const found = new Map<string, Trained[]>();
    for (const [name, options] of Object.entries(arms)) found.set(name, await lab.trainAll(options));
    const inferred = found.get("200 examples, 1,000 of the pool")!;
    const above = (name: string) => {
      const others = found.get(name)!;
      return bootstrap(inferred.map((trained, at) => learned(trained) - learned(others[at])));
    };
    const [alone, none, curated] = [
      above("200 examples alone"),
      above("no reference: uniform"),
      above("curated by hand"),
    ];
    const ratio = bootstrap(
      inferred.map((trained, at) => learned(trained) / learned(found.get("curated by hand")![at])),
    );
    return {
      verdict: conjunction([verdictAbove(alone, 0), verdictAbove(none, 0)]),
      summary: `With 200 examples and the 1,000 pairs inferred from them the learner ends ${
        format(alone)
      } above that with the examples alone and ${format(none)} above uniform sampling, at ${
        share(ratio.mean)
      } of that with the curated reference (${format(curated)}).`,
      figures: [],
      tables: [{
        title: "R@5 by what the reference learned from",
        headings: ["reference's data", "reference", "learner", "in-domain among the last trained"],
        rows: [...found].map(([name, all]) => [
          name,
          format(over(all, ({ reference }) => recall(reference))),
          format(over(all, learned)),
          format(over(all, ({ lines }) => lines.at(-1)!.inDomainShare!)),
        ]),
      }],
    };
  },
};

/** The claims that go beyond the paper. */
export const extensionClaims: readonly Claim[] = [whereJointWins, meanRank, referenceFromTask];
