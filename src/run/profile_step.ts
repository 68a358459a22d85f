/**
 * One training step of a model, measured on random data.
 *
 * @module
 */

import type { Device, DeviceCounters } from "../gpu/device.ts";
import { measurePeaks, type Peaks } from "../gpu/peaks.ts";
import { median } from "../gpu/timing.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import { DualEncoder } from "../models/model.ts";
import { type StepProfile, summariseProfile } from "../train/profile.ts";
import { randomSuperBatch } from "../train/random_batch.ts";
import { Trainer, type TrainerOptions } from "../train/trainer.ts";

/** What to measure. */
export interface ProfileStepOptions
  extends Omit<TrainerOptions, "steps" | "seed" | "learningRate" | "reference"> {
  /** What the report calls the model. */
  readonly model: string;
  /** The model itself. */
  readonly config: DualEncoderConfig;
  /** Runs of the step that are measured; as many as take long enough when left out. */
  readonly runs?: number;
}

/** Steps whose cost to the CPU is measured. */
const CPU_STEPS = 8;

/**
 * Measures a step, and the adapter's peaks unless they are given. Untrained weights and random data do: nothing in a
 * step depends on what the numbers are.
 *
 * @param onStage is told what is measured next
 * @throws RangeError when the options do not fit together, or the adapter's limits are too small or it lacks the precision
 */
export async function profileStep(
  device: Device,
  { model: name, config, runs, ...step }: ProfileStepOptions,
  { peaks, onStage = () => {} }: { peaks?: Peaks; onStage?: (stage: string) => void } = {},
): Promise<StepProfile> {
  onStage("compiling the step");
  using model = DualEncoder.create(device, config, { seed: 1 });
  const width = config.embedding;
  using trainer = await Trainer.create(model, {
    ...step,
    steps: 1 + CPU_STEPS,
    seed: 1,
    learningRate: 1e-6,
    reference: { logitScale: 10, logitBias: -10, width },
  });
  const { batch, superBatch, sampler, chunks, patchSize, microBatch } = trainer.options;
  const { precision, recompute, reuseScoring } = trainer.options;
  const data = randomSuperBatch(config, superBatch, width, 1);
  onStage("the first step: the driver compiles");
  trainer.step(data);
  await trainer.readLog();
  onStage("what a step costs the CPU");
  const before: DeviceCounters = { ...device.counters }, costs: number[] = [];
  const count = Math.min(CPU_STEPS, runs ?? CPU_STEPS);
  for (let step = 0; step < count; step++) {
    const from = performance.now();
    trainer.step(data);
    costs.push(performance.now() - from);
  }
  const after: DeviceCounters = { ...device.counters };
  await trainer.readLog();
  const made = (name: keyof DeviceCounters) => (after[name] - before[name]) / count;
  if (!peaks) {
    onStage("what the adapter can do at all");
    peaks = await measurePeaks(device);
  }
  onStage("where the step's time goes");
  const profile = await trainer.profile({ runs });
  return {
    adapter: device.adapter.description,
    options: {
      ...{ model: name, batch, superBatch, sampler, chunks, patchSize },
      ...{ microBatch, precision, recompute, reuseScoring },
    },
    peaks,
    ...summariseProfile(profile, peaks),
    cpu: {
      encodeMicroseconds: profile.encodeMicroseconds,
      submitMicroseconds: profile.submitMicroseconds,
      stepMilliseconds: median(costs),
      buffersCreated: made("buffersCreated"),
      bindGroupsCreated: made("bindGroupsCreated"),
      pipelinesCreated: made("pipelinesCreated"),
      readBacks: made("readBacks"),
      submits: made("submits"),
    },
  };
}
