/**
 * What the arms of an experiment share, and how one of them is run.
 *
 * @module
 */

import type { KeptFiles } from "../data/cache.ts";
import { curations } from "../curation/curate.ts";
import { keptPairs } from "../config/train_options.ts";
import { pickRows, subset, type TokenisedDataset } from "../data/dataset.ts";
import type { Device } from "../gpu/device.ts";
import { DualEncoder } from "../models/model.ts";
import { countedModels } from "../selection/samplers.ts";
import type { Arm } from "../train/record.ts";
import { type ArmHooks, type ArmOptions, type ArmResult, InterruptedError, trainArm } from "./arm.ts";
import { armOptions, modelConfig, type PlannedOptions } from "./arm_options.ts";
import type { RunHooks } from "./hooks.ts";
import type { InitialWeights } from "./initial.ts";
import type { PreparedData } from "./prepare.ts";
import type { EmbeddingSet } from "./reference.ts";

/** What the arms of an experiment share. */
export interface Experiment {
  readonly options: PlannedOptions;
  readonly hooks: RunHooks;
  readonly device: Device;
  readonly data: PreparedData;
  /** The weights that models start from; random ones when left out. */
  readonly initial?: InitialWeights | null;
  /** Evaluations spread over an arm; 8 when left out. */
  readonly evaluations?: number;
  /** Where references and their embeddings are kept. */
  readonly files: KeptFiles;
  /** Receives what the arms report. */
  readonly record: Pick<ArmHooks, "onMetrics" | "onSnapshot">;
}

/** A new model of an experiment, or of its reference. */
export function newModel({ device, data, initial }: Experiment, options: PlannedOptions): DualEncoder {
  if (initial) return DualEncoder.from(device, initial, { trainable: true });
  return DualEncoder.create(device, modelConfig(options), {
    seed: options.seed,
    // A checkpoint without its tokenizer could not read a caption.
    notes: { preset: options.preset, tokenizer: data.tokenizerJson },
  });
}

/** The experiment on what offline curation keeps of its pool, with the reference's embeddings of that. */
export async function curatePool(
  experiment: Experiment,
  embeddings: EmbeddingSet,
): Promise<{ experiment: Experiment; embeddings: EmbeddingSet }> {
  const { options, data, hooks } = experiment, { curate, seed } = options;
  if (curate === null) return { experiment, embeddings };
  stoppable(hooks).onProgress(`curate the pool: ${curate}`, 0, 0);
  await new Promise((resolve) => setTimeout(resolve)); // lets the line be drawn before seconds of work
  const kept = curations[curate](embeddings, keptPairs(data.pool.size, options), seed);
  hooks.log(`Curation: ${curate} keeps ${kept.length} of ${data.pool.size} pairs`);
  const { image, text, width } = embeddings;
  return {
    experiment: { ...experiment, data: { ...data, pool: await subset(data.pool, kept) } },
    embeddings: { ...embeddings, image: pickRows(image, width, kept), text: pickRows(text, width, kept) },
  };
}

/** Trains one arm of an experiment to its end, on the pool unless another set is given. */
export async function runArm(
  { options, hooks, data, record, evaluations }: Experiment,
  model: DualEncoder,
  arm: Arm,
  embeddings: EmbeddingSet | null,
  set: TokenisedDataset = data.pool,
): Promise<ArmResult> {
  const planned = armOptions(options, arm);
  const settings: ArmOptions = {
    ...planned,
    ...(evaluations === undefined || arm === "reference" ? {} : { evaluations }),
    ...(countedModels(planned.score ?? null).reference ? { reference: embeddings! } : {}),
  };
  const stages: Partial<Record<Arm, string>> = {
    reference: "train the reference",
    joint: "train with JEST",
    uniform: "train uniformly",
  };
  const stage = stages[arm] ?? `train with ${arm} selection`;
  return await trainArm(model, set, data.test, settings, {
    ...record,
    onStep: (done, total, note) => hooks.onProgress(stage, done, total, note),
    signal: hooks.signal,
  });
}

/** Hooks through which a signal ends a stage that only reports its progress; training arms look at it themselves. */
export function stoppable(hooks: RunHooks): RunHooks {
  return {
    ...hooks,
    onProgress(stage, done, total, note) {
      if (hooks.signal.aborted) throw new InterruptedError(`Stopped in "${stage}" at ${done} of ${total}`);
      hooks.onProgress(stage, done, total, note);
    },
  };
}
