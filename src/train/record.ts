/**
 * What a run writes down: the lines of `metrics.jsonl`, the selection snapshots, and `summary.json`.
 * The report reads nothing else.
 *
 * @module
 */

import type { Precision } from "../models/precision.ts";
import type { Evaluation, RetrievalScore } from "../eval/evaluation.ts";
import type { SamplerName } from "../selection/samplers.ts";

export type { Evaluation, RetrievalScore };

/** Floating-point operations by purpose (a multiply-add counts 2), matrix products and attention only. */
export interface FlopCount {
  /** Forward, backward and loss of the learner on the selected sub-batches. */
  learnerTrain: number;
  /** The learner's forward pass over super-batches, and the selection itself. */
  learnerScore: number;
  /** Training the reference; 0 when a kept reference was used. */
  referenceTrain: number;
  /** The reference's forward pass over the pool; 0 when kept embeddings were used. */
  referenceScore: number;
}

/** Which model a line is about: the reference, or that trained with a sampler, such as `joint` (JEST). */
export type Arm = "reference" | SamplerName;

/** One line of `metrics.jsonl`. */
export interface MetricLine {
  arm: Arm;
  /** Updates made so far, from 1. */
  step: number;
  trainedExamples: number;
  drawnExamples: number;
  /** Wall-clock seconds of training in this arm, evaluation left out. */
  seconds: number;
  /** Floating-point operations of this arm so far. */
  flops: FlopCount;
  /** Mean over the steps since the previous line. */
  loss: number;
  learningRate: number;
  gradientNorm: number;
  /** α = exp(t). */
  logitScale: number;
  logitBias: number;
  /**
   * The selected batches' score at gain 1, before the update: by `learnability` the learner's loss minus the reference's,
   * by `easy-reference` minus the reference's alone, by `hard-learner` the learner's. Absent for uniform and reference.
   */
  batchLearnability?: number;
  /** Entropy in nats of each chunk's draw, means as of the loss; absent for uniform and reference. */
  drawEntropy?: number[];
  /** Share of the trained examples since the previous line whose picture is in-domain. Known only for built data. */
  inDomainShare?: number;
  /** Share of the trained examples since the previous line whose caption is its own. */
  cleanShare?: number;
  /** Distinct examples trained so far. */
  distinctExamples: number;
  /** Held-out evaluation, on the lines where one was made. */
  evaluation?: Evaluation;
}

/** One example of a scored super-batch. */
export interface SnapshotExample {
  /** Index into the pool. */
  index: number;
  caption: string;
  /** Its own score at gain 1, as of a pair alone; learnability is the learner's minus the reference's loss. */
  score: number;
  /** Position in the order of selection, or null when it was rejected. */
  order: number | null;
  inDomain?: boolean;
  clean?: boolean;
  /** The set the picture comes from. */
  source?: string;
}

/** A whole super-batch with its scores, taken at one step: a line of `selection.jsonl`. */
export interface SelectionSnapshot {
  arm: Arm;
  step: number;
  examples: SnapshotExample[];
}

/** `summary.json`, and the last line that `train --json` prints. */
export interface RunSummary {
  /** The run's folder. */
  run: string;
  /** The arm that the run is about: how its batches were chosen. */
  arm: Arm;
  /** The adapter's description. */
  adapter: string;
  /** How activations and kernels were stored. */
  precision: Precision;
  steps: number;
  trainedExamples: number;
  drawnExamples: number;
  /** Wall-clock seconds of the whole command. */
  seconds: number;
  flops: FlopCount;
  loss: { first: number; last: number };
  evaluation: Evaluation;
  /** The reference's own evaluation. */
  reference?: Evaluation;
  /** The arm named by `--compare`, at equal trained examples. */
  compare?: {
    arm: Arm;
    loss: { first: number; last: number };
    flops: FlopCount;
    seconds: number;
    evaluation: Evaluation;
  };
}
