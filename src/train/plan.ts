/**
 * What a training takes, known before it runs: the step is recorded over planned memory, and nothing is allocated.
 *
 * @module
 */

import { bufferBytes, formatBytes, PlannedMemory, type PlanTarget } from "../gpu/memory.ts";
import type { Choice, Graph } from "../graph/graph.ts";
import { planMemory, type PlannedBuffer, plannedBuffers } from "../graph/memory_plan.ts";
import { uniformBytes } from "../graph/program.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import { dualEncoderSpecs } from "../models/dual_encoder.ts";
import { ParameterStore } from "../models/parameters.ts";
import { resolveTrainerOptions, stepOptions, type TrainerOptions } from "./options.ts";
import { recordStep } from "./step.ts";

/** One part of a step, such as `score` or `train`. */
export interface PlannedPhase {
  readonly name: string;
  readonly dispatches: number;
  /** Floating-point operations of matrix products and attention (a multiply-add counts 2). */
  readonly flops: number;
}

/** What a trainer and its model take. Sizes in bytes. */
export interface StepPlan {
  /** Learned numbers of the model. */
  readonly parameterCount: number;
  /** Examples whose activations are kept at a time. */
  readonly microBatch: number;
  readonly bytes: {
    readonly parameters: number;
    readonly gradients: number;
    /** Both moments of AdamW. */
    readonly moments: number;
    /** What the host fills before a step: pixels, tokens, the reference's embeddings. */
    readonly inputs: number;
    /** The rings that the log is read from, and the latest scores. */
    readonly log: number;
    /** Activations and all else that a step writes and reads, in shared buffers. */
    readonly temporaries: number;
    /** The parameters of the dispatches. */
    readonly uniforms: number;
    readonly total: number;
  };
  /** What the temporaries would take if none shared a buffer. */
  readonly unsharedBytes: number;
  readonly phases: readonly PlannedPhase[];
  /** Every buffer, largest first; those that outlive a step have no phases. */
  readonly buffers: readonly PlannedBuffer[];
  /** The most bytes that the adapter can bind. */
  readonly maxBindingBytes: number;
  /** The buffers that are larger than that. */
  readonly exceeding: readonly PlannedBuffer[];
  /** The choices between variants of kernels that the step makes, for a tuner. */
  readonly choices: readonly Choice[];
}

/**
 * Plans the training of a new model.
 *
 * @param target the adapter that is planned for
 * @throws RangeError when options do not fit together, as `Trainer.create`
 * @throws TypeError when the sampler needs a reference and none is given
 */
export function planStep(
  config: DualEncoderConfig,
  options: TrainerOptions,
  target: PlanTarget,
): StepPlan {
  const { maxBindingBytes } = target;
  const memory = new PlannedMemory(target);
  const learner = new ParameterStore(memory, dualEncoderSpecs(config), { trainable: true });
  const parameters = learner.groups.reduce((sum, { size }) => sum + size * 4, 0);
  const full = resolveTrainerOptions(options, config);
  const { graph, inputs } = recordStep(memory, learner, stepOptions(full, config, maxBindingBytes));
  const plan = planMemory(graph);
  const slots = plannedBuffers(graph, plan);
  const temporaries = slots.reduce((sum, { sizeBytes }) => sum + bufferBytes(sizeBytes), 0) +
    bufferBytes(graph.nothing.sizeBytes);
  const inputBytes = Object.values(inputs).reduce((sum, { sizeBytes }) => sum + bufferBytes(sizeBytes), 0);
  const uniforms = bufferBytes(uniformBytes(graph));
  const lasting = memory.buffers.map(({ label, sizeBytes }) => ({ sizeBytes, labels: [label], phases: [] }));
  const buffers = [...slots, ...lasting].toSorted((a, b) => b.sizeBytes - a.sizeBytes);
  return {
    parameterCount: learner.count,
    microBatch: full.microBatch,
    bytes: {
      parameters,
      gradients: parameters,
      moments: 2 * parameters,
      inputs: inputBytes,
      log: memory.allocatedBytes - 4 * parameters - inputBytes,
      temporaries,
      uniforms,
      total: memory.allocatedBytes + temporaries + uniforms,
    },
    unsharedBytes: plan.unsharedBytes,
    phases: phasesOf(graph),
    buffers,
    maxBindingBytes,
    exceeding: buffers.filter(({ sizeBytes }) => sizeBytes > maxBindingBytes),
    choices: [...graph.choices.values()],
  };
}

function phasesOf({ dispatches }: Graph): PlannedPhase[] {
  const phases = new Map<string, PlannedPhase>();
  for (const { phase: name, flops } of dispatches) {
    const sum = phases.get(name) ?? { name, dispatches: 0, flops: 0 };
    phases.set(name, { name, dispatches: sum.dispatches + 1, flops: sum.flops + flops });
  }
  return [...phases.values()];
}

/** Why a plan does not fit the adapter or the budget; null when it does. */
export function misfit(
  { exceeding: [largest], maxBindingBytes, bytes }: StepPlan,
  budget: number,
): string | null {
  if (largest) {
    const { labels: [label], sizeBytes, phases } = largest;
    const where = phases.length > 0 ? ` (in ${phases.join(", ")})` : "";
    return `"${label}"${where} takes ${formatBytes(sizeBytes)}, and this adapter binds at most ${
      formatBytes(maxBindingBytes)
    }`;
  }
  if (bytes.total <= budget) return null;
  return `the step takes ${formatBytes(bytes.total)}, more than the ${formatBytes(budget)} that it may`;
}

/**
 * The plan with the largest micro-batch of b, b/2, b/4, … that fits the adapter and the budget.
 *
 * @param budget the most bytes that model and step may take together
 * @throws RangeError when none fits
 */
export function planMicroBatch(
  config: DualEncoderConfig,
  options: TrainerOptions,
  target: PlanTarget,
  budget = Infinity,
): StepPlan {
  const planned = (microBatch: number) => planStep(config, { ...options, microBatch }, target);
  let plan = planned(options.batch), halvingHelps = true;
  while (misfit(plan, budget) && plan.microBatch > 1 && halvingHelps) {
    const half = planned(Math.ceil(plan.microBatch / 2));
    // The first sums of gradients take room of their own; from then on a percent less is the least that counts.
    halvingHelps = plan.exceeding.length > 0
      ? (half.exceeding[0]?.sizeBytes ?? 0) < plan.exceeding[0].sizeBytes
      : plan.microBatch === options.batch || half.bytes.total < 0.99 * plan.bytes.total;
    if (halvingHelps) plan = half;
  }
  const problem = misfit(plan, budget);
  if (!problem) return plan;
  throw new RangeError(
    `No micro-batch fits: even with ${plan.microBatch}, ${problem}. ${
      options.recompute ? "Use" : "Recompute the activations (--recompute), or use"
    } a smaller batch, super-batch, image or model.`,
  );
}
