/**
 * Claims about what a learner comes to when its batches are selected.
 *
 * @module
 */

import type { TrainOptionsInput } from "../../config/train_options.ts";
import type { Series } from "../../report/figure.ts";
import type { ScoreName } from "../../selection/scores.ts";
import type { Claim } from "../claim.ts";
import { recall, type Trained } from "../lab.ts";
import { format } from "../numbers.ts";
import { bootstrap, conjunction, type Interval, verdictAbove } from "../statistics.ts";
import { byRatio, point, RATIOS, recallLabel, uniform } from "./curves.ts";
import { fewerExamples } from "./examples.ts";

const jointBeatsIndependent: Claim = {
  number: 6,
  title: "Joint selection beats independent selection, and more so at high filter ratios",
  paper:
    "Joint learnability gains 3.35, 5.95 and 6.5 points over uniform at f = .5, .8 and .9; independent 2.45, 2.5 and −.05.",
  measure:
    "Final R@5 of N chunks less that of one, by f. The claim holds when the difference is above zero at f = .9, and " +
    "larger than at f = .5.",
  trains: true,
  async run(lab) {
    const joint = (filterRatio: number) => ({ filterRatio });
    const independent = (filterRatio: number) => ({ filterRatio, sampler: "independent" as const });
    const differences: Interval[] = [];
    for (const ratio of RATIOS) differences.push(await lab.difference(joint(ratio), independent(ratio)));
    const ofSeed = async (ratio: number) => {
      const [a, b] = [await lab.trainAll(joint(ratio)), await lab.trainAll(independent(ratio))];
      return a.map(({ evaluation }, at) => recall(evaluation) - recall(b[at].evaluation));
    };
    const [low, high] = [await ofSeed(0.5), await ofSeed(0.9)];
    return {
      verdict: conjunction([
        verdictAbove(differences[2], 0),
        verdictAbove(bootstrap(high.map((value, at) => value - low[at])), 0),
      ]),
      summary: `Joint less independent selection: ${
        RATIOS.map((ratio, at) => `${format(differences[at])} at f = ${ratio}`).join(", ")
      } of R@5.`,
      figures: [{
        title: "Final score against the filter ratio",
        xLabel: "filter ratio f",
        yLabel: recallLabel,
        yFormat: "percent",
        xTicks: RATIOS,
        series: [
          await byRatio(lab, "joint", RATIOS, joint),
          await byRatio(lab, "independent", RATIOS, independent),
        ],
      }],
      tables: [],
    };
  },
};

const learnabilityScalesBest: Claim = {
  number: 7,
  title:
    "Learnability scales best with the filter ratio; easy reference flattens; hard learner fails on noise",
  paper:
    "Gains over uniform at f = .5, .8, .9: learnability 3.35, 5.95, 6.5; easy reference 3.9, 4.7, 4.4; hard learner .7, −3.1.",
  measure:
    "Final R@5 of three scores by f, joint and independent. The claim holds when learnability gains more from f = .5 to " +
    ".9 than easy reference does, and hard learner at f = .8 stays below uniform.",
  trains: true,
  async run(lab) {
    const names: readonly ScoreName[] = ["learnability", "easy-reference", "hard-learner"];
    const arm = (score: ScoreName, sampler: "joint" | "independent") => (filterRatio: number) => ({
      filterRatio,
      sampler,
      score,
    });
    const series: Series[] = [];
    for (const sampler of ["joint", "independent"] as const) {
      for (const score of names) {
        const line = await byRatio(lab, `${score}, ${sampler}`, RATIOS, arm(score, sampler));
        series.push({ ...line, dashed: sampler === "independent" });
      }
    }
    const base = await lab.measure(uniform);
    const rise = async (score: ScoreName) => {
      const [low, high] = [0.5, 0.9].map(arm(score, "joint"));
      const lows = await lab.trainAll(low);
      return (await lab.trainAll(high)).map(({ evaluation }, at) =>
        recall(evaluation) - recall(lows[at].evaluation)
      );
    };
    const [learnable, easy] = [await rise("learnability"), await rise("easy-reference")];
    const scaling = bootstrap(learnable.map((value, at) => value - easy[at]));
    const failing = await lab.difference(uniform, arm("hard-learner", "joint")(0.8));
    return {
      verdict: conjunction([verdictAbove(scaling, 0), verdictAbove(failing, 0)]),
      summary: `From f = .5 to .9 learnability gains ${
        format(bootstrap(learnable))
      } of R@5 and easy reference ${format(bootstrap(easy))}; hard learner at f = .8 stands ${
        format(failing)
      } below uniform's ${format(base)}.`,
      figures: [{
        title: "Final score against the filter ratio, by score",
        xLabel: "filter ratio f",
        yLabel: recallLabel,
        yFormat: "percent",
        xTicks: RATIOS,
        series,
      }],
      tables: [{
        title: "Final R@5",
        headings: ["score and sampler", ...RATIOS.map((ratio) => `f = ${ratio}`)],
        rows: series.map(({ name, points }) => [
          name,
          ...points.map(({ y, low, high }) =>
            format({ mean: y, low: low!, high: high!, count: lab.seeds.length })
          ),
        ]),
      }],
    };
  },
};

/** Lines whose loss exceeds the lowest so far by so much count as spikes. */
const SPIKE = 1.25;

/** How often the loss jumps up. */
function spikes({ lines }: Trained): number {
  let lowest = Infinity, count = 0;
  for (const { loss } of lines) {
    if (loss > SPIKE * lowest) count++;
    lowest = Math.min(lowest, loss);
  }
  return count;
}

const shortMemory: Claim = {
  number: 8,
  title: "With selection AdamW needs a short memory: β₂ = .999 spikes, .95 does not",
  paper: "β₂ = .999 gave loss spikes at f = .8; β₂ = .95 did not.",
  measure:
    `Lines of the log whose loss exceeds the lowest before by a factor of ${SPIKE}, and final R@5, at f = .8. The claim ` +
    "holds when .999 spikes more often, or not at all and ends lower.",
  trains: true,
  async run(lab) {
    const options = (beta2: number) => ({ filterRatio: 0.8, beta2 });
    const more = await lab.difference(options(0.999), options(0.95), spikes);
    const lost = await lab.difference(options(0.95), options(0.999));
    const [long, short] = [await lab.trainAll(options(0.999)), await lab.trainAll(options(0.95))];
    const losses = (name: string, all: readonly Trained[]): Series => ({
      name,
      points: all[0].lines.map(({ step }, at) =>
        point(step, bootstrap(all.map(({ lines }) => lines[at].loss)))
      ),
    });
    const verdict = verdictAbove(more, 0);
    return {
      verdict: verdict === "not reproduced" && more.mean === 0 ? verdictAbove(lost, 0) : verdict,
      summary: `Spikes: ${format(bootstrap(long.map(spikes)))} with β₂ = .999 and ${
        format(bootstrap(short.map(spikes)))
      } with .95; .95 ends ${format(lost)} higher in R@5.`,
      figures: [{
        title: "Loss of the selected batches",
        xLabel: "step",
        yLabel: "loss",
        series: [losses("β₂ = .999", long), losses("β₂ = .95", short)],
      }],
      tables: [],
    };
  },
};

const smallBatches: Claim = {
  number: 9,
  title: "Small batches cost uniform sampling more than JEST",
  paper: "From b = 32k to 4k uniform sampling falls from 60.7 to 48.5, JEST++ from 67.6 to 59.3.",
  measure:
    "Final R@5 by batch size at equal trained examples, as a share of that at the largest batch; uniform sampling in its long " +
    "run. The claim holds when JEST keeps more at the smallest.",
  trains: true,
  async run(lab) {
    const { batches, longSteps, options: { steps, chunks } } = lab.scale, [usual] = batches;
    const arm = (sampler: "uniform" | "joint", of: number) => (batch: number): TrainOptionsInput => ({
      sampler,
      batch,
      steps: of * usual / batch,
      chunks: Math.min(chunks!, batch),
      referenceBatch: usual,
    });
    const kept: Record<string, number[][]> = { uniform: [], joint: [] };
    for (const [sampler, of] of [["uniform", longSteps], ["joint", steps]] as const) {
      const whole = await lab.trainAll(arm(sampler, of)(usual));
      for (const batch of batches) {
        const all = await lab.trainAll(arm(sampler, of)(batch));
        kept[sampler].push(
          all.map(({ evaluation }, at) => recall(evaluation) / recall(whole[at].evaluation)),
        );
      }
    }
    const smallest = kept.joint.at(-1)!.map((value, at) => value - kept.uniform.at(-1)![at]);
    const series = (name: string, values: number[][]): Series => ({
      name,
      points: batches.map((batch, at) => point(batch, bootstrap(values[at]))).toReversed(),
    });
    return {
      verdict: verdictAbove(bootstrap(smallest), 0),
      summary:
        `At b = ${batches.at(-1)} JEST keeps ${
          format(bootstrap(kept.joint.at(-1)!))
        } of its R@5 at b = ${usual}, uniform ` +
        `sampling ${format(bootstrap(kept.uniform.at(-1)!))}.`,
      figures: [{
        title: "Final score at equal trained examples, as a share of that at the largest batch",
        xLabel: "batch b",
        yLabel: "share of R@5",
        logX: true,
        xTicks: batches.toReversed(),
        xFormat: "plain",
        series: [series("JEST", kept.joint), series("uniform, long", kept.uniform)],
      }],
      tables: [],
    };
  },
};

const softmaxToo: Claim = {
  number: 10,
  title: "The softmax loss gains like the sigmoid loss",
  paper: "Gains at f = 0, .5, .8, .9: sigmoid 0, 3.0, 5.6, 6.15; softmax −.9, 1.85, 4.4, 5.2.",
  measure:
    "Final R@5 of both losses by f, f = 0 being uniform. The claim holds when both are above uniform at f = .9.",
  trains: true,
  async run(lab) {
    const arm = (loss: "sigmoid" | "softmax") => (filterRatio: number): TrainOptionsInput =>
      filterRatio === 0 ? { ...uniform, loss } : { filterRatio, loss };
    const ratios = [0, ...RATIOS], series: Series[] = [], gains: Interval[] = [];
    for (const loss of ["sigmoid", "softmax"] as const) {
      series.push(await byRatio(lab, loss, ratios, arm(loss)));
      gains.push(await lab.difference(arm(loss)(0.9), arm(loss)(0)));
    }
    return {
      verdict: conjunction(gains.map((gain) => verdictAbove(gain, 0))),
      summary: `At f = .9 JEST gains ${format(gains[0])} of R@5 with the sigmoid loss and ${
        format(gains[1])
      } with the softmax.`,
      figures: [{
        title: "Final score against the filter ratio, by loss",
        xLabel: "filter ratio f",
        yLabel: recallLabel,
        yFormat: "percent",
        xTicks: ratios,
        series,
      }],
      tables: [],
    };
  },
};

/** The claims about selection in training. */
export const trainingClaims: readonly Claim[] = [
  fewerExamples,
  jointBeatsIndependent,
  learnabilityScalesBest,
  shortMemory,
  smallBatches,
  softmaxToo,
];
