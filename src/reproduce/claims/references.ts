/**
 * Claims about the reference and the pool.
 *
 * @module
 */

import type { TrainOptionsInput } from "../../config/train_options.ts";
import type { Claim } from "../claim.ts";
import { recall, type Trained } from "../lab.ts";
import { format } from "../numbers.ts";
import { bootstrap, conjunction, verdictAbove } from "../statistics.ts";
import { learned } from "./curves.ts";

const referred = ({ reference }: Trained) => recall(reference);

const curationMatters: Claim = {
  number: 14,
  title: "A better curated reference makes the better learner, and its training saturates",
  paper:
    "Stronger curation of the reference's data gives better learners though the reference itself is weaker; more " +
    "reference training helps less and less.",
  measure:
    "Final R@5 of JEST by the reference's data and its steps. The claim holds when the curated set beats the pool as the " +
    "reference's data, and doubling the reference's training adds less than the two doublings before.",
  trains: true,
  async run(lab) {
    const usual = lab.scale.options.referenceSteps!,
      steps = [usual / 8, usual / 4, usual / 2, usual, 2 * usual];
    const arms: Trained[][] = [];
    for (const referenceSteps of steps) arms.push(await lab.trainAll({ referenceSteps }));
    const pool = await lab.trainAll({ referenceData: "pool" });
    const curated = bootstrap(arms[3].map((trained, at) => learned(trained) - learned(pool[at])));
    const bend = bootstrap(lab.seeds.map((_, at) => {
      const [, quarter, , whole, twice] = arms.map((all) => learned(all[at]));
      return (whole - quarter) - (twice - whole);
    }));
    const row = (name: string, all: readonly Trained[]) => [
      name,
      format(bootstrap(all.map(referred))),
      format(bootstrap(all.map(learned))),
    ];
    const points = (of: (trained: Trained) => number) =>
      steps.map((x, at) => {
        const { mean, low, high } = bootstrap(arms[at].map(of));
        return { x, y: mean, low, high };
      });
    return {
      verdict: conjunction([verdictAbove(curated, 0), verdictAbove(bend, 0)]),
      summary:
        `A curated reference makes learners that score ${
          format(curated)
        } higher in R@5 than one trained on the pool; ` +
        `the last doubling of its training adds ${format(bend)} less than the two before.`,
      figures: [{
        title: "Scores against the reference's training",
        xLabel: "steps of the reference",
        yLabel: "R@5",
        logX: true,
        xTicks: steps,
        xFormat: "plain",
        series: [
          { name: "learner, JEST", points: points(learned) },
          { name: "its reference", points: points(referred), dashed: true },
        ],
      }],
      tables: [{
        title: "R@5",
        headings: ["reference", "of the reference", "of the learner"],
        rows: [
          ...steps.map((count, at) => row(`curated, ${count} steps`, arms[at])),
          row(`pool, ${usual} steps`, pool),
        ],
      }],
    };
  },
};

const filteringMatters: Claim = {
  number: 15,
  title: "JEST hardly minds a raw pool, uniform sampling does",
  paper: "Without filtering the pool uniform sampling falls from 73.6 to 69.4, JEST++ from 76.9 to 76.7.",
  measure:
    "Final R@5 on the raw pool as a share of that on the same in-domain pictures among so few others that their share is four times " +
    "as high; uniform sampling in its long run. The claim holds when JEST keeps more.",
  trains: true,
  async run(lab) {
    const { inDomain: share = 0.1, poolSize = 20_000 } = lab.scale.options;
    const filtered = Math.min(1, 4 * share), smaller = Math.round(poolSize * share / filtered);
    const kept = async (options: TrainOptionsInput) => {
      const raw = await lab.trainAll(options),
        clean = await lab.trainAll({ ...options, inDomain: filtered, poolSize: smaller });
      return { raw, clean, kept: raw.map((trained, at) => learned(trained) / learned(clean[at])) };
    };
    const uniform = await kept({ sampler: "uniform", steps: lab.scale.longSteps }), joint = await kept({});
    const difference = bootstrap(joint.kept.map((value, at) => value - uniform.kept[at]));
    const row = (name: string, { raw, clean, kept }: typeof joint) => [
      name,
      format(bootstrap(raw.map(learned))),
      format(bootstrap(clean.map(learned))),
      format(bootstrap(kept)),
    ];
    return {
      verdict: verdictAbove(difference, 0),
      summary: `On the raw pool JEST keeps ${
        format(bootstrap(joint.kept))
      } of its R@5 on the filtered one, uniform sampling ${format(bootstrap(uniform.kept))}.`,
      figures: [],
      tables: [{
        title: "R@5",
        headings: ["arm", `raw, ${100 * share} % in-domain`, `filtered, ${100 * filtered} %`, "kept"],
        rows: [row("JEST", joint), row("uniform, long", uniform)],
      }],
    };
  },
};

const learnerSurpasses: Claim = {
  number: 16,
  title: "The learner surpasses its reference",
  paper: "JEST's learners end far above the references that selected for them.",
  measure:
    "R@5 of the learner after the long run's number of steps, less its reference's, for references of three lengths of training. " +
    "The claim holds when the difference is above zero for the scale's own reference.",
  trains: true,
  async run(lab) {
    const usual = lab.scale.options.referenceSteps!, rows: string[][] = [];
    const differences = [];
    for (const referenceSteps of [usual / 8, usual / 4, usual]) {
      const all = await lab.trainAll({ referenceSteps, steps: lab.scale.longSteps });
      const difference = bootstrap(all.map((trained) => learned(trained) - referred(trained)));
      differences.push(difference);
      rows.push([
        `${referenceSteps} steps`,
        format(bootstrap(all.map(referred))),
        format(bootstrap(all.map(learned))),
        format(difference),
      ]);
    }
    return {
      verdict: verdictAbove(differences.at(-1)!, 0),
      summary: `Learner less reference: ${
        differences.map((difference, at) => `${format(difference)} with a reference of ${rows[at][0]}`).join(
          ", ",
        )
      }.`,
      figures: [],
      tables: [{ title: "R@5", headings: ["reference", "reference", "learner", "difference"], rows }],
    };
  },
};

const largerReference: Claim = {
  number: 17,
  title: "A larger reference can help",
  paper: "References larger than the learner make better learners (ACID, arXiv:2411.18674).",
  measure:
    "Final R@5 of JEST with a reference of twice the width, less that with one of the other width. The claim holds when the " +
    "difference is above zero.",
  trains: true,
  async run(lab) {
    const [wide, narrow] = [{ referencePreset: "midi" }, { referencePreset: "mini" }] as const;
    const difference = await lab.difference(wide, narrow);
    const own = await lab.difference(wide, narrow, referred);
    return {
      verdict: verdictAbove(difference, 0),
      summary: `The wider reference itself scores ${format(own)} higher in R@5, and the learner ${
        format(difference)
      } higher.`,
      figures: [],
      tables: [{
        title: "R@5",
        headings: ["reference's width", "reference", "learner"],
        rows: [
          ["64", format(await lab.measure(narrow, referred)), format(await lab.measure(narrow))],
          ["128", format(await lab.measure(wide, referred)), format(await lab.measure(wide))],
        ],
      }],
    };
  },
};

/** The claims about the reference and the pool. */
export const referenceClaims: readonly Claim[] = [
  curationMatters,
  filteringMatters,
  learnerSurpasses,
  largerReference,
];
