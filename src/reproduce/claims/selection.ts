/**
 * Claims about the selection itself: no model is trained for them beyond the ones that score.
 *
 * @module
 */

import type { TrainOptionsInput } from "../../config/train_options.ts";
import type { FigurePoint, Series } from "../../report/figure.ts";
import { permutation, Stream } from "../../random/philox.ts";
import {
  type HostEmbeddings,
  type HostModels,
  selectExamples,
  type SelectOptions,
} from "../../selection/select.ts";
import type { Claim } from "../claim.ts";
import type { Lab } from "../lab.ts";
import { format, share } from "../numbers.ts";
import { bootstrap, conjunction, crossing, type Interval, verdictAbove } from "../statistics.ts";

/** Redrawn members after which Gibbs sampling is taken to have reached its plateau. */
const PLATEAU = 2000;

/** What selection is studied with unless it is what varies. */
const usual = { filterRatio: 0.8, chunks: 16, gain: 100, seed: 1 } as const;

/** The selected batch's learnability by one seed's models. */
async function score(
  lab: Lab,
  models: Required<HostModels>,
  options: Partial<SelectOptions>,
): Promise<number> {
  return (await selectExamples(lab.device, models, { ...usual, ...options })).batchScore;
}

/** Calls back with every seed's models. */
async function eachSeed<T>(
  lab: Lab,
  stage: string,
  run: (models: Required<HostModels>, seed: number) => Promise<T>,
  learner: TrainOptionsInput = {},
): Promise<T[]> {
  const results: T[] = [];
  for (const [at, seed] of lab.seeds.entries()) {
    lab.progress(stage, at, lab.seeds.length);
    results.push(await run(await lab.scored(seed, lab.scale.candidates, learner), seed));
  }
  return results;
}

/** Points with intervals over seeds, from values by seed and x. */
function intervals(xs: readonly number[], values: readonly (readonly number[])[]): FigurePoint[] {
  return xs.map((x, at) => {
    const { mean, low, high } = bootstrap(values.map((ofSeed) => ofSeed[at]));
    return { x, y: mean, low, high };
  });
}

/** The matrix S of some pairs, learner's minus reference's sigmoid loss, [n, n]. */
function learnabilityMatrix({ learner, reference }: Required<HostModels>, count: number): Float64Array {
  const losses = ({ image, text, width, logitScale, logitBias }: HostEmbeddings) =>
    Float64Array.from({ length: count * count }, (_, at) => {
      const i = Math.floor(at / count), j = at % count;
      let dot = 0;
      for (let d = 0; d < width; d++) dot += image[i * width + d] * text[j * width + d];
      const margin = (i === j ? 1 : -1) * (logitScale * dot + logitBias);
      return Math.log1p(Math.exp(-Math.abs(margin))) + Math.max(-margin, 0); // −log σ
    });
  const known = losses(reference!);
  return losses(learner!).map((loss, at) => loss - known[at]);
}

/** (1/b) Σ S over what N greedy chunks choose: joint selection without its noise. */
function greedyScore(matrix: Float64Array, count: number, batch: number, chunks: number): number {
  const cond = Float64Array.from({ length: count }, (_, i) => matrix[i * count + i]);
  const chosen: number[] = [];
  for (let chunk = 0; chunk < chunks; chunk++) {
    const free = Array.from(cond.keys()).filter((i) => !chosen.includes(i)).toSorted((a, b) =>
      cond[b] - cond[a]
    );
    const drawn = free.slice(0, Math.round(batch * (chunk + 1) / chunks) - chosen.length);
    for (const k of drawn) {
      for (let i = 0; i < count; i++) cond[i] += matrix[i * count + k] + matrix[k * count + i];
    }
    chosen.push(...drawn);
  }
  return chosen.reduce((sum, i) => chosen.reduce((sum, j) => sum + matrix[i * count + j], sum), 0) / batch;
}

/** The same matrix with everything off its diagonal shuffled. */
function shuffledOffDiagonal(matrix: Float64Array, count: number, seed: number): Float64Array {
  const places = Array.from(matrix.keys()).filter((at) => at % (count + 1) !== 0);
  const order = permutation(seed, Stream.data, 0, places.length), shuffled = matrix.slice();
  places.forEach((place, at) => shuffled[place] = matrix[places[order[at]]]);
  return shuffled;
}

const offDiagonal: Claim = {
  number: 1,
  title: "The learnability matrix has structure off its diagonal",
  paper:
    "Learnability matrices show block structure off the diagonal: batches are more, or less, learnable than the sum " +
    "of their examples (figure 2).",
  measure:
    "What 16 greedy chunks gain over one on the matrix of 320 pairs, 64 chosen, less what they gain when everything " +
    "off the diagonal is shuffled. The claim holds when the difference is above zero.",
  trains: false,
  async run(lab) {
    const count = 320, batch = 64;
    const found = await eachSeed(lab, "claim 1: matrices", (models, seed) => {
      const matrix = learnabilityMatrix(models, count), shuffled = shuffledOffDiagonal(matrix, count, seed);
      const gain = (of: Float64Array) => greedyScore(of, count, batch, 16) - greedyScore(of, count, batch, 1);
      const sum = (of: (at: number) => boolean) =>
        matrix.reduce((total, value, at) => of(at) ? total + Math.abs(value) : total, 0);
      const off = sum((at) => at % (count + 1) !== 0);
      return Promise.resolve({ real: gain(matrix), control: gain(shuffled), off: off / sum(() => true) });
    });
    const difference = bootstrap(found.map(({ real, control }) => real - control));
    return {
      verdict: verdictAbove(difference, 0),
      summary:
        `Selecting jointly gains ${
          format(bootstrap(found.map(({ real }) => real)))
        } in batch learnability, and ` +
        `${format(bootstrap(found.map(({ control }) => control)))} on the shuffled matrix; ${
          share(bootstrap(found.map(({ off }) => off)).mean)
        } of the matrix's absolute sum lies off the diagonal.`,
      figures: [],
      tables: [{
        title: "By seed",
        headings: ["seed", "gain", "gain, shuffled", "off the diagonal"],
        rows: found.map(({ real, control, off }, at) => [
          `${lab.seeds[at]}`,
          format(real),
          format(control),
          share(off),
        ]),
      }],
    };
  },
};

const chunksReachGibbs: Claim = {
  number: 2,
  title: "The batch's score rises with the number of chunks and comes near Gibbs sampling by 16",
  paper:
    "Of what Gibbs sampling gains over independent selection, N = 2, 4, 8 and 16 chunks reach .69, .88, .96 and .99 " +
    "(figure 3).",
  measure:
    `(s_N − s_1) / (s_Gibbs − s_1) of the batch learnability s at f = .8 and gain 100, by learners at the start of ` +
    `training with JEST, in its midst and at its end, and by one trained uniformly; Gibbs sampling redraws ${PLATEAU} ` +
    "members. The claim holds when N = 16 reaches .95 with all four.",
  trains: false,
  async run(lab) {
    const chunks = [1, 2, 4, 8, 16, 32], { steps } = lab.scale.options;
    const learners = [
      ...[Math.ceil(steps / 64), Math.ceil(steps / 2), steps]
        .map((steps) => ({ sampler: "joint", steps }) as const),
      { sampler: "uniform", steps: lab.scale.longSteps } as const,
    ];
    const name = ({ sampler, steps }: typeof learners[number]) => `learner ${sampler}, ${steps} steps`;
    const series: Series[] = [], at16: Interval[] = [], fromUniform: Interval[] = [];
    for (const learner of learners) {
      const found = await eachSeed(lab, `claim 2: chunks, ${name(learner)}`, async (models) => {
        const random = await score(lab, models, { sampler: "uniform" });
        const plateau = await score(lab, models, { sampler: "gibbs", iterations: PLATEAU });
        const scores: number[] = [];
        for (const N of chunks) scores.push(await score(lab, models, { chunks: N }));
        const joint = scores[chunks.indexOf(16)];
        return {
          shares: scores.map((s) => (s - scores[0]) / (plateau - scores[0])),
          fromUniform: (joint - random) / (plateau - random),
        };
      }, learner);
      series.push({ name: name(learner), points: intervals(chunks, found.map(({ shares }) => shares)) });
      at16.push(bootstrap(found.map(({ shares }) => shares[chunks.indexOf(16)])));
      fromUniform.push(bootstrap(found.map((seed) => seed.fromUniform)));
    }
    return {
      verdict: conjunction(at16.map((share) => verdictAbove(share, 0.95))),
      summary: `Of Gibbs sampling's gain over independent selection 16 chunks reach ${
        learners.map((learner, at) => `${format(at16[at])} (${name(learner)})`).join(", ")
      }; measured from a random batch ${fromUniform.map((share) => format(share)).join(", ")}.`,
      figures: [{
        title:
          "Batch learnability against the number of chunks, from independent selection (0) to Gibbs sampling (1)",
        xLabel: "chunks N",
        yLabel: "share of Gibbs sampling's gain",
        logX: true,
        xTicks: chunks,
        xFormat: "plain",
        series: [...series, {
          name: "Gibbs sampling",
          dashed: true,
          points: [{ x: 1, y: 1 }, { x: 32, y: 1 }],
        }],
      }],
      tables: [],
    };
  },
};

const gibbsIsSlow: Claim = {
  number: 3,
  title: "Gibbs sampling needs far more than 16 iterations",
  paper: "Brute-force Gibbs sampling takes about 2,000 iterations to its plateau; joint sampling takes 16.",
  measure:
    "Members redrawn, one after another, until the batch learnability has made 95 % of its way from a random batch to " +
    `where it is after ${PLATEAU}, and those until it passes joint selection. The claim holds when both are more than 16.`,
  trains: false,
  async run(lab) {
    const iterations = [0, 16, 64, 128, 256, 512, 1024, PLATEAU];
    const found = await eachSeed(lab, "claim 3: Gibbs sampling", async (models) => {
      const scores: number[] = [];
      for (const count of iterations) {
        scores.push(await score(lab, models, { sampler: "gibbs", iterations: count }));
      }
      const joint = await score(lab, models, {}), [first, last] = [scores[0], scores.at(-1)!];
      return {
        way: scores.map((s) => (s - first) / (last - first)),
        joint: (joint - first) / (last - first),
      };
    });
    const curve = (way: readonly number[]) => iterations.slice(1).map((x, at) => ({ x, y: way[at + 1] }));
    const needed = bootstrap(found.map(({ way }) => crossing(curve(way), 0.95)!));
    const passing = bootstrap(found.map(({ way, joint }) => crossing(curve(way), joint) ?? PLATEAU));
    const joint = bootstrap(found.map(({ joint }) => joint));
    return {
      verdict: conjunction([verdictAbove(needed, 16), verdictAbove(passing, 16)]),
      summary:
        `Gibbs sampling needs ${format(needed)} redraws to 95 % of its way, and ${
          format(passing)
        } to pass joint sampling, ` +
        `which stands at ${format(joint)} of that way after its 16 chunks.`,
      figures: [{
        title: "Batch learnability against redrawn members, from a random batch (0) to the plateau (1)",
        xLabel: "redrawn members",
        yLabel: "share of the way to the plateau",
        logX: true,
        xTicks: [16, 64, 256, 1024],
        xFormat: "plain",
        series: [
          {
            name: "Gibbs sampling",
            points: intervals(iterations.slice(1), found.map(({ way }) => way.slice(1))),
          },
          {
            name: "joint, 16 chunks",
            dashed: true,
            points: [{ x: 16, y: joint.mean }, { x: PLATEAU, y: joint.mean }],
          },
        ],
      }],
      tables: [],
    };
  },
};

const scoreRisesWithRatio: Claim = {
  number: 4,
  title: "The batch's score rises with the filter ratio, by less and less",
  paper: "Batch learnability rises with the size of the super-batch and flattens (f = .5, .8, .9).",
  measure:
    "Batch learnability of b of S / b = 2, 5 and 10 times as many. The claim holds when each step up adds to it, and " +
    "the second adds less for each example drawn than the first.",
  trains: false,
  async run(lab) {
    const multiples = [2, 5, 10], batch = lab.scale.candidates / 10;
    const found = await eachSeed(lab, "claim 4: filter ratios", async (models) => {
      const scores: number[] = [];
      for (const multiple of multiples) {
        const first = (all: HostEmbeddings): HostEmbeddings => ({
          ...all,
          image: all.image.subarray(0, multiple * batch * all.width),
          text: all.text.subarray(0, multiple * batch * all.width),
        });
        const part = { learner: first(models.learner!), reference: first(models.reference!) };
        scores.push(await score(lab, part, { filterRatio: 1 - 1 / multiple }));
      }
      return scores;
    });
    const steps = [
      bootstrap(found.map(([two, five]) => (five - two) / 3)),
      bootstrap(found.map(([, five, ten]) => (ten - five) / 5)),
    ];
    const bend = bootstrap(found.map(([two, five, ten]) => (five - two) / 3 - (ten - five) / 5));
    return {
      verdict: conjunction([...steps.map((step) => verdictAbove(step, 0)), verdictAbove(bend, 0)]),
      summary: `Each further multiple of the batch adds ${format(steps[0])} from 2 to 5, and ${
        format(steps[1])
      } from 5 to 10.`,
      figures: [{
        title: "Batch learnability against the super-batch, for equal batches",
        xLabel: "super-batch / batch",
        yLabel: "batch learnability",
        xTicks: multiples,
        series: [{ name: "joint, 16 chunks", points: intervals(multiples, found) }],
      }],
      tables: [],
    };
  },
};

const controls: Claim = {
  number: 18,
  title:
    "Controls: a learner that is its own reference draws uniformly; without interactions joint is independent",
  paper:
    "Learnability is a difference of two losses, and joint selection acts through the interactions of examples.",
  measure:
    "The entropy of the draws against that of uniform ones, ln of what is left, with the learner as its own " +
    "reference; and the sets that one and 16 chunks choose, free of noise, from pairs that are orthogonal to each other. " +
    "The claim holds when the entropies agree to 1e-4 and the sets are equal.",
  trains: false,
  async run(lab) {
    const found = await eachSeed(lab, "claim 18: controls", async ({ learner }, seed) => {
      const { entropies, batchScore } = await selectExamples(
        lab.device,
        { learner, reference: learner },
        usual,
      );
      const count = lab.scale.candidates, batch = Math.round(count * (1 - usual.filterRatio));
      const difference = Math.max(
        ...entropies.map((entropy, chunk) =>
          Math.abs(entropy - Math.log(count - Math.round(batch * chunk / 16)))
        ),
      );
      const apart = { learner: orthogonalPairs(seed), reference: orthogonalPairs(seed + 1000) };
      const chosen = async (chunks: number) => {
        const { indices } = await selectExamples(lab.device, apart, { ...usual, chunks, gain: 1e6 });
        return indices.toSorted((a, b) => a - b);
      };
      const [alone, joint] = [await chosen(1), await chosen(16)];
      return {
        difference,
        batchScore,
        shared: joint.filter((index) => alone.includes(index)).length / joint.length,
      };
    });
    const holds = found.every(({ difference, shared }) => difference < 1e-4 && shared === 1);
    return {
      verdict: holds ? "reproduced" : "not reproduced",
      summary: `The entropies differ from uniform ones by at most ${
        format(Math.max(...found.map(({ difference }) => difference)))
      } nats; without interactions ${
        share(Math.min(...found.map(({ shared }) => shared)))
      } of the choice is shared.`,
      figures: [],
      tables: [{
        title: "By seed",
        headings: ["seed", "largest difference of entropy", "batch learnability", "shared choice"],
        rows: found.map(({ difference, batchScore, shared }, at) => [
          `${lab.seeds[at]}`,
          format(difference),
          format(batchScore),
          share(shared),
        ]),
      }],
    };
  },
};

/** 256 pairs whose texts and pictures are orthogonal to those of all other pairs; only how well each fits varies. */
function orthogonalPairs(seed: number): HostEmbeddings {
  const count = 256, width = 2 * count;
  const image = new Float32Array(count * width), text = new Float32Array(count * width);
  permutation(seed, Stream.data, 1, count).forEach((rank, i) => {
    const cosine = rank / count;
    image[i * width + i] = 1;
    text[i * width + i] = cosine;
    text[i * width + count + i] = Math.sqrt(1 - cosine ** 2);
  });
  return { image, text, width, logitScale: 10, logitBias: -5 };
}

/** The claims about the selection itself. */
export const selectionClaims: readonly Claim[] = [
  offDiagonal,
  chunksReachGibbs,
  gibbsIsSlow,
  scoreRisesWithRatio,
  controls,
];
