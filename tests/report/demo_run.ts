/** A made-up run with every part a report can show; hostile captions included. */
import { randomWord, Stream, uniform } from "../../src/random/philox.ts";
import type { ReportInput } from "../../src/report/report.ts";
import type { Evaluation, MetricLine, RunSummary, SelectionSnapshot } from "../../src/train/record.ts";

/** A caption that would run as a script if it were not escaped. */
export const hostileCaption = `<script>alert("1")</script> & 'heart'`;

const imageSize = 16;

function evaluation(r5: number): Evaluation {
  const retrieval = { r1: r5 / 3, r5, mrr: r5 / 1.5, meanRank: 0.5 - r5 };
  return {
    imageToText: retrieval,
    textToImage: { ...retrieval, r5: r5 * 0.9 },
    zeroShot: { top1: r5 / 2, top5: r5 },
  };
}

/** Twelve lines each of JEST and of uniform, an evaluation on every third. */
export const demoMetrics: MetricLine[] = (["joint", "uniform"] as const).flatMap((arm) =>
  Array.from({ length: 12 }, (_, at) => {
    const step = (at + 1) * 10, scored = arm === "joint" ? 1 : 0;
    return {
      arm,
      step,
      trainedExamples: step * 64,
      drawnExamples: step * 64 * (scored ? 10 : 1),
      seconds: step * (scored ? 0.2 : 0.06),
      flops: {
        learnerTrain: step * 4e8,
        learnerScore: scored * step * 13e8,
        referenceTrain: 0,
        referenceScore: 0,
      },
      loss: 3 + 4 / (1 + at),
      learningRate: 1e-3,
      gradientNorm: 1,
      logitScale: 10,
      logitBias: -4,
      ...(scored ? { batchLearnability: 2 - at / 5 } : {}),
      inDomainShare: scored ? 0.4 : 0.1 + uniform(1, Stream.data, at, 0) / 50,
      cleanShare: scored ? 0.9 : 0.8,
      distinctExamples: Math.round(step * 64 * (scored ? 0.3 : 0.9)),
      ...(at % 3 === 2 ? { evaluation: evaluation((at / 100) * (scored ? 1 : 0.2)) } : {}),
    };
  })
);

/** First, middle and last super-batch: 60 examples, 20 of them selected. */
export const demoSnapshots: SelectionSnapshot[] = [1, 60, 120].map((step) => ({
  arm: "joint" as const,
  step,
  examples: Array.from({ length: 60 }, (_, at) => ({
    index: at,
    caption: at === 0 ? hostileCaption : `caption number ${at} of the pool`,
    score: 3 - at / 5,
    order: at % 3 === 0 ? at / 3 : null,
    inDomain: at % 4 === 0,
    clean: at % 5 !== 0,
    source: "noto",
  })),
}));

/** The summary that goes with them. */
export const demoSummary: RunSummary = {
  run: "runs/2026-01-02-030405-demo",
  arm: "joint",
  precision: "f32",
  adapter: "llvmpipe (LLVM 15.0.6, 256 bits)",
  steps: 120,
  trainedExamples: 7680,
  drawnExamples: 76800,
  seconds: 95.2,
  flops: { learnerTrain: 4.8e10, learnerScore: 15.6e10, referenceTrain: 2.9e11, referenceScore: 4e10 },
  loss: { first: 7, last: 3.3 },
  evaluation: evaluation(0.11),
  reference: evaluation(0.2),
  compare: {
    arm: "uniform",
    loss: { first: 7, last: 3.4 },
    flops: { learnerTrain: 4.8e10, learnerScore: 0, referenceTrain: 0, referenceScore: 0 },
    seconds: 7.2,
    evaluation: evaluation(0.022),
  },
};

/** A picture that differs from index to index. */
function picture(index: number): Uint8Array {
  const color = [0, 1, 2].map((channel) => randomWord(1, Stream.data, index, channel) & 255);
  return Uint8Array.from({ length: imageSize * imageSize * 3 }, (_, at) => {
    const x = Math.floor(at / 3) % imageSize - 7.5, y = Math.floor(at / 3 / imageSize) - 7.5;
    return x * x + y * y < 40 ? color[at % 3] : 255;
  });
}

/** Everything that a report takes. */
export const demoReport: ReportInput = {
  summary: demoSummary,
  config: {
    preset: "mini",
    sampler: "joint",
    steps: 120,
    name: hostileCaption,
    patch: null,
    model: { width: 64 },
  },
  metrics: demoMetrics,
  snapshots: demoSnapshots,
  picture,
  imageSize,
  searches: ["red heart", hostileCaption].map((query) => ({
    query,
    hits: Array.from(
      { length: 8 },
      (_, at) => ({ caption: `hit ${at}`, score: 0.9 - at / 10, pixels: picture(at) }),
    ),
  })),
  poolShares: { inDomain: 0.1, clean: 0.8 },
  attributions: ["Noto Emoji by Google, Apache-2.0, https://github.com/googlefonts/noto-emoji"],
  command: "./superbatch train --compare uniform",
};
