/**
 * Claims about what selection costs, and how a coarser view makes it cheap.
 *
 * @module
 */

import type { TrainOptionsInput } from "../../config/train_options.ts";
import type { FigurePoint } from "../../report/figure.ts";
import type { Claim, Finding } from "../claim.ts";
import { type Lab, recall, type Trained } from "../lab.ts";
import { format, share } from "../numbers.ts";
import { bootstrap, conjunction, type Interval, verdictAbove } from "../statistics.ts";

/** A learner's FLOPs of one step. */
function perStep({ flops, lines }: Trained): { train: number; score: number } {
  const steps = lines.at(-1)!.step;
  return { train: flops.learnerTrain / steps, score: flops.learnerScore / steps };
}

const ledger: Claim = {
  number: 11,
  title: "The cost of a step follows the ledger",
  paper:
    "With F a forward pass over a batch and A the coarse view's cost by the full one's: uniform 3F, JEST with F·S/b of scoring, " +
    "Flexi-JEST 3F(½ + ½A) + A·F·S/b.",
  measure:
    "FLOPs counted from the dispatches of a step, against these sums; F and A from counted forward passes. The claim holds when " +
    "every part is within 10 %.",
  trains: true,
  async run(lab) {
    const [fine, coarse] = lab.scale.patches, filterRatio = 0.8;
    const short = { patch: fine, steps: 2, filterRatio };
    const [seed] = lab.seeds;
    const uniform = perStep(await lab.train(seed, { ...short, sampler: "uniform" }));
    const joint = perStep(await lab.train(seed, short));
    const flexi = perStep(await lab.train(seed, { ...short, scorePatch: coarse, coarseShare: 0.5 }));
    const multiple = 1 / (1 - filterRatio);
    const F = await lab.forwardFlops(seed, short, fine);
    const A = await lab.forwardFlops(seed, short, coarse) / F;
    const rows = [
      ["uniform, training", uniform.train, 3 * F],
      ["JEST, training", joint.train, 3 * F],
      ["JEST, scoring", joint.score, F * multiple],
      ["Flexi-JEST, training", flexi.train, 3 * F * (0.5 + 0.5 * A)],
      ["Flexi-JEST, scoring", flexi.score, A * F * multiple],
    ] as const;
    const off = rows.map(([, counted, expected]) => Math.abs(counted / expected - 1));
    return {
      verdict: Math.max(...off) < 0.1 ? "reproduced" : "not reproduced",
      summary:
        `Every part is within ${share(Math.max(...off))} of its formula; the coarse view costs A = ${
          format(A)
        } of the full ` +
        `one, and a Flexi-JEST step ${
          format((flexi.train + flexi.score) / (joint.train + joint.score))
        } of a JEST step.`,
      figures: [],
      tables: [{
        title: `FLOPs of a step, f = ${filterRatio}, patches of ${fine} and ${coarse} pixels`,
        headings: ["part", "counted", "formula", "difference"],
        rows: rows.map(([name, counted, expected]) => [
          name,
          format(counted),
          format(expected),
          share(counted / expected - 1),
        ]),
      }],
    };
  },
};

const SHARES = [0, 0.25, 0.5, 0.75, 0.95] as const;

/** What approximates the full view: for claims 12 and 13. */
async function sweep(lab: Lab, view: (coarseShare: number) => TrainOptionsInput) {
  const [fine] = lab.scale.patches, steps = lab.scale.options.steps;
  const cost = async (options: TrainOptionsInput) => {
    const { train, score } = perStep(await lab.train(lab.seeds[0], { patch: fine, ...options, steps: 2 }));
    return train + score;
  };
  const full = await cost({}), arms: Trained[][] = [], counts: number[] = [];
  for (const coarseShare of SHARES) {
    const options = view(coarseShare), count = Math.round(steps * full / await cost(options));
    counts.push(count);
    arms.push(await lab.trainAll({ patch: fine, ...options, steps: count }));
  }
  return { full: await lab.trainAll({ patch: fine }), arms, counts };
}

const scores = (all: readonly Trained[]) => all.map(({ evaluation }) => recall(evaluation));

function difference(a: readonly Trained[], b: readonly Trained[]): Interval {
  const others = scores(b);
  return bootstrap(scores(a).map((value, at) => value - others[at]));
}

function sweepFinding(
  lab: Lab,
  name: string,
  { full, arms, counts }: Awaited<ReturnType<typeof sweep>>,
  others: readonly { readonly name: string; readonly points: readonly FigurePoint[] }[] = [],
): Pick<Finding, "figures" | "tables"> {
  const level = bootstrap(scores(full));
  return {
    figures: [{
      title: "Final score at equal FLOPs, against the share of each batch that is trained coarsely",
      xLabel: "coarse share λ",
      yLabel: "R@5 on another vendor's pictures",
      xTicks: SHARES,
      series: [
        { name, points: sweepPoints(arms) },
        ...others,
        {
          name: "JEST, full view",
          dashed: true,
          points: [{ x: 0, y: level.mean }, { x: 0.95, y: level.mean }],
        },
      ],
    }],
    tables: [{
      title: `R@5 at the FLOPs of ${lab.scale.options.steps} steps with the full view`,
      headings: ["arm", "steps", "R@5"],
      rows: [
        ["full view", `${lab.scale.options.steps}`, format(level)],
        ...SHARES.map((λ, at) => [`λ = ${λ}`, `${counts[at]}`, format(bootstrap(scores(arms[at])))]),
      ],
    }],
  };
}

function sweepPoints(arms: readonly (readonly Trained[])[]): FigurePoint[] {
  return SHARES.map((x, at) => {
    const { mean, low, high } = bootstrap(scores(arms[at]));
    return { x, y: mean, low, high };
  });
}

const flexi = (lab: Lab) => (coarseShare: number): TrainOptionsInput => ({
  scorePatch: lab.scale.patches[1],
  coarseShare,
});

/** As many patches are left as the coarse ones would be. */
const dropping = (lab: Lab) => (coarseShare: number): TrainOptionsInput => ({
  scoreDrop: 1 - (lab.scale.patches[0] / lab.scale.patches[1]) ** 2,
  coarseShare,
});

const flexiIsCheap: Claim = {
  number: 12,
  title: "Flexi-JEST comes near JEST at far fewer FLOPs, and needs co-training for it",
  paper:
    "At equal FLOPs λ = 0, .25, .5, .75, .95 gain −1.0, 2.3, 2.8, 3.05, 3.15; Flexi-JEST costs 1.1 uniform steps, JEST 2.33.",
  measure:
    "Final R@5 at equal FLOPs by the share λ that is trained as coarsely as it is scored. The claim holds when λ = ½ ends above " +
    "JEST with the full view, and above λ = 0.",
  trains: true,
  async run(lab) {
    const found = await sweep(lab, flexi(lab));
    const [none, , half] = found.arms;
    const overFull = difference(half, found.full), overNone = difference(half, none);
    return {
      verdict: conjunction([verdictAbove(overFull, 0), verdictAbove(overNone, 0)]),
      summary: `At equal FLOPs λ = ½ ends ${format(overFull)} above JEST with the full view, and ${
        format(overNone)
      } above λ = 0.`,
      ...sweepFinding(lab, "Flexi-JEST", found),
    };
  },
};

const droppingIsFlat: Claim = {
  number: 13,
  title: "Dropping patches works without co-training, and gains little from it",
  paper: "Patch dropping gains 1.8, 1.95, 1.5, 1.8, 2.25 over λ, against Flexi-JEST's −1.0 to 3.15.",
  measure:
    "The sweep of claim 12 with patches dropped instead of enlarged. The claim holds when dropping is above enlarging at λ = 0, " +
    "and gains less from λ = 0 to ½.",
  trains: true,
  async run(lab) {
    const dropped = await sweep(lab, dropping(lab)), enlarged = await sweep(lab, flexi(lab));
    const start = difference(dropped.arms[0], enlarged.arms[0]);
    const gain = (arms: readonly Trained[][]) => {
      const none = scores(arms[0]);
      return scores(arms[2]).map((value, at) => value - none[at]);
    };
    const [flat, steep] = [gain(dropped.arms), gain(enlarged.arms)];
    const flatter = bootstrap(steep.map((value, at) => value - flat[at]));
    return {
      verdict: conjunction([verdictAbove(start, 0), verdictAbove(flatter, 0)]),
      summary:
        `At λ = 0 dropping ends ${format(start)} above enlarging; from λ = 0 to ½ it gains ${
          format(bootstrap(flat))
        }, ` +
        `enlarging ${format(bootstrap(steep))}.`,
      ...sweepFinding(lab, "patches dropped", dropped, [{
        name: "patches enlarged",
        points: sweepPoints(enlarged.arms),
      }]),
    };
  },
};

/** The claims about cost. */
export const costClaims: readonly Claim[] = [ledger, flexiIsCheap, droppingIsFlat];
