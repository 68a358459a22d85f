/**
 * One arm of a run: a model trained from its start to its end, with the lines and snapshots that the report draws.
 *
 * @module
 */

import { highest, referenceScores } from "../curation/reference_score.ts";
import { gatherBatch, SuperBatchLoader } from "../data/loader.ts";
import type { TowerName } from "../models/fine_tuning.ts";
import type { DualEncoder } from "../models/model.ts";
import type { AdamWOptions } from "../optim/adamw.ts";
import type { LossName } from "../losses/contrastive.ts";
import type { SamplerName } from "../selection/samplers.ts";
import type { ScoreName } from "../selection/scores.ts";
import type { Arm, FlopCount, MetricLine, SelectionSnapshot } from "../train/record.ts";
import type { Precision } from "../models/precision.ts";
import { DivergenceError, type StepLog, type SuperBatch, Trainer } from "../train/trainer.ts";
import { evaluate, type TestSet } from "./evaluate.ts";
import type { TokenisedDataset } from "../data/dataset.ts";

/** What an arm trains on and how. */
export interface ArmOptions {
  readonly arm: Arm;
  readonly sampler: SamplerName;
  /** What the sampler goes by; its own default when left out. */
  readonly score?: ScoreName | null;
  /** The tower that keeps its parameters; none when left out. */
  readonly lock?: TowerName | null;
  /** Factor on the learning rate from each layer to the one before it; 1 when left out. */
  readonly layerDecay?: number;
  /** `sigmoid` when left out. */
  readonly loss?: LossName;
  /** Redraws of Gibbs sampling in a step. */
  readonly iterations?: number;
  /** Share of every batch that is drawn uniformly; 0 when left out. */
  readonly uniformShare?: number;
  /** Settings of AdamW; the paper's when left out. */
  readonly optimizer?: AdamWOptions;
  readonly steps: number;
  readonly batch: number;
  /** Examples that the sampler chooses from. */
  readonly superBatch: number;
  /**
   * Examples of which these are what the reference finds easiest by themselves, so that the learner need not score the others;
   * `superBatch` when left out.
   */
  readonly drawn?: number;
  readonly chunks: number;
  readonly gain: number;
  readonly seed: number;
  readonly learningRate: number;
  readonly patchSize: number;
  /** Side of the patches that super-batches are scored at, in pixels; `patchSize` when left out. */
  readonly scorePatchSize?: number;
  /** Share of these patches that is dropped; 0 when left out. */
  readonly scoreDrop?: number;
  /** Share of each batch that is trained so; 0 when left out. */
  readonly coarseShare?: number;
  /** Share of the steps that warm up. */
  readonly warmUp: number;
  /** Examples whose activations are kept at a time; all when left out. */
  readonly microBatch?: number;
  /** How activations and kernels are stored; f32 when left out. */
  readonly precision?: Precision;
  /** Keep of every block only its input; false when left out. */
  readonly recompute?: boolean;
  /** Train from what scoring computed; false when left out. */
  readonly reuseScoring?: boolean;
  /** Reference embeddings of the whole data set, where the score counts the reference. */
  readonly reference?: {
    readonly image: Float32Array;
    readonly text: Float32Array;
    readonly width: number;
    readonly logitScale: number;
    readonly logitBias: number;
  };
  /** Evaluations spread over the arm, 0 for none; the last is at its end, and alone tries zero-shot classification. */
  readonly evaluations: number;
}

/** Where an arm reports to. */
export interface ArmHooks {
  onStep(done: number, total: number, note: string): void;
  onMetrics(line: MetricLine): Promise<void>;
  onSnapshot(snapshot: SelectionSnapshot): Promise<void>;
  readonly signal: AbortSignal;
}

/** What an arm came to. */
export interface ArmResult {
  readonly loss: { readonly first: number; readonly last: number };
  readonly flops: FlopCount;
  readonly seconds: number;
  readonly trainedExamples: number;
  readonly drawnExamples: number;
  /** The last line that was reported. */
  readonly last: MetricLine;
}

/** The run was asked to stop. */
export class InterruptedError extends Error {
  override name = "InterruptedError";
}

/** Steps between two read-backs of the log, which wait for the GPU. */
const LOG_INTERVAL = 10;
/** Bytes of super-batches that may wait for the GPU, so that large pictures do not pile up in memory. */
const MOST_WAITING_BYTES = 2 ** 28;

/**
 * Trains one arm to its end.
 *
 * @throws {InterruptedError} after the step in which the signal came
 */
export async function trainArm(
  model: DualEncoder,
  data: TokenisedDataset,
  test: TestSet | null,
  options: ArmOptions,
  hooks: ArmHooks,
): Promise<ArmResult> {
  const { arm, steps, batch, superBatch, seed, reference, drawn: draws = superBatch } = options;
  using trainer = await Trainer.create(model, { ...options, reference });
  const loader = new SuperBatchLoader(data.size, draws, seed);
  const easiness = draws > superBatch ? referenceScores(reference!) : null;
  const drawn: Uint32Array[] = [];
  const distinct = new Set<number>();
  const snapshotSteps = new Set([1, Math.ceil(steps / 2), steps]);
  const evaluationSteps = new Set(
    Array.from({ length: options.evaluations }, (_, i) => Math.round(steps * (i + 1) / options.evaluations)),
  );
  let seconds = 0, firstLoss = NaN, last: MetricLine | undefined;
  let resumedAt = performance.now();

  const report = async (logs: StepLog[], withEvaluation: boolean) => {
    if (trainer.options.score && snapshotSteps.has(logs.at(-1)!.step)) await snapshot(logs.at(-1)!);
    seconds += (performance.now() - resumedAt) / 1000;
    if (Number.isNaN(firstLoss)) firstLoss = logs[0].loss;
    const line: MetricLine = {
      ...summarise(logs),
      trainedExamples: logs.at(-1)!.step * batch,
      drawnExamples: logs.at(-1)!.step * draws,
      seconds,
      flops: flopsAfter(logs.at(-1)!.step),
      distinctExamples: distinct.size,
    };
    if (withEvaluation && test) {
      // Classes have several prompts each, more text than the captions: they wait for the end.
      const { classes, ...pairs } = test, atEnd = line.step === steps && classes;
      line.evaluation = await evaluate(model, atEnd ? test : pairs, options.patchSize);
    }
    await hooks.onMetrics(line);
    last = line;
    resumedAt = performance.now();
  };

  /** Means over the steps of one line, and what was selected in them. */
  const summarise = (logs: StepLog[]) => {
    const mean = (value: (log: StepLog) => number) =>
      logs.reduce((sum, log) => sum + value(log), 0) / logs.length;
    let inDomain = 0, clean = 0;
    for (const { step, selected } of logs) {
      for (const place of selected) {
        const example = drawn[step - 1][place];
        distinct.add(example);
        inDomain += data.inDomain[example];
        clean += data.clean[example];
      }
    }
    const trained = logs.length * batch;
    const { step, learningRate, gradientNorm, logitScale, logitBias, batchLearnability, drawEntropy } = logs
      .at(-1)!;
    return {
      arm,
      step,
      loss: mean(({ loss }) => loss),
      learningRate,
      gradientNorm,
      logitScale,
      logitBias,
      ...(batchLearnability === null ? {} : {
        batchLearnability: mean((log) => log.batchLearnability!),
        drawEntropy: Array.from(drawEntropy!, (_, draw) => mean((log) => log.drawEntropy![draw])),
      }),
      ...(data.flagged ? { inDomainShare: inDomain / trained, cleanShare: clean / trained } : {}),
    };
  };

  const flopsAfter = (step: number): FlopCount => {
    const { score, train } = trainer.flops;
    return arm === "reference"
      ? { learnerTrain: 0, learnerScore: 0, referenceTrain: step * train, referenceScore: 0 }
      : { learnerTrain: step * train, learnerScore: step * score, referenceTrain: 0, referenceScore: 0 };
  };

  const snapshot = async ({ step, selected }: StepLog) => {
    const scores = await trainer.readScores();
    if (!scores) return;
    const order = new Map(Array.from(selected, (place, at) => [place, at]));
    await hooks.onSnapshot({
      arm,
      step,
      examples: Array.from(drawn[step - 1], (index, place) => ({
        index,
        caption: data.captions[index],
        score: scores[place],
        order: order.get(place) ?? null,
        ...(data.flagged ? { inDomain: data.inDomain[index] === 1, clean: data.clean[index] === 1 } : {}),
        source: data.sources[data.source[index]],
      })),
    });
  };

  /** What the steps did; those before one that diverged are reported before it is. */
  const readLog = async () => {
    try {
      return await trainer.readLog();
    } catch (error) {
      if (error instanceof DivergenceError && error.logs.length > 0) await report([...error.logs], false);
      throw error;
    }
  };

  const prepare = (step: number): SuperBatch => {
    const indices = easiest(loader.indices(step - 1), easiness, superBatch);
    drawn.push(indices);
    return { ...gatherBatch(data, indices), reference: reference && gatherReference(reference, indices) };
  };
  let next = prepare(1);
  const fitting = Math.floor(MOST_WAITING_BYTES / next.pixels.byteLength);
  const interval = Math.max(1, Math.min(LOG_INTERVAL, fitting));
  for (let step = 1; step <= steps; step++) {
    if (hooks.signal.aborted) throw new InterruptedError(`Stopped after step ${step - 1} of ${steps}`);
    trainer.step(next);
    // While the GPU works: a read-back below waits for it, and then the next super-batch is there.
    if (step < steps) next = prepare(step + 1);
    const evaluates = evaluationSteps.has(step);
    if (step % interval === 0 || evaluates || snapshotSteps.has(step) || step === steps) {
      const logs = await readLog();
      await report(logs, evaluates);
      hooks.onStep(step, steps, `loss ${last!.loss.toFixed(3)}`);
      // Lets signals and timers in.
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  return {
    loss: { first: firstLoss, last: last!.loss },
    flops: last!.flops,
    seconds,
    trainedExamples: steps * batch,
    drawnExamples: steps * draws,
    last: last!,
  };
}

/** Those of the drawn examples that have the highest scores, in the order drawn; all of them without scores. */
function easiest(drawn: Uint32Array, scores: Float32Array | null, count: number): Uint32Array {
  if (!scores) return drawn;
  return highest(Float32Array.from(drawn, (example) => scores[example]), count).map((place) => drawn[place]);
}

function gatherReference(
  { image, text, width }: NonNullable<ArmOptions["reference"]>,
  indices: Uint32Array,
): { image: Float32Array; text: Float32Array } {
  const rows = (all: Float32Array) => {
    const gathered = new Float32Array(indices.length * width);
    indices.forEach((index, row) =>
      gathered.set(all.subarray(index * width, (index + 1) * width), row * width)
    );
    return gathered;
  };
  return { image: rows(image), text: rows(text) };
}
