/**
 * A run taken up again: its options and its models.
 *
 * @module
 */

import { type TrainOptions, trainOptions } from "../config/train_options.ts";
import type { Device } from "../gpu/device.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import { DualEncoder } from "../models/model.ts";
import { readFileBytes } from "../storage/files.ts";
import type { RunRecord } from "../report/run_folder.ts";
import type { PlannedOptions } from "./arm_options.ts";

/** The options that a run was made with, and the model that it started from, if it started from one. */
export function savedOptions({ config }: RunRecord): TrainOptions & Pick<PlannedOptions, "initial"> {
  const { model, data: _data, ...options } = config, resolved = trainOptions(options);
  if (resolved.init === null) return resolved;
  return { ...resolved, initial: { config: model as DualEncoderConfig, key: "" } };
}

/**
 * A model of a run.
 *
 * @param name `learner`, `reference`, or the arm that was compared
 * @throws {FileError} when the checkpoint is not there
 * @throws {SafetensorsError} when it is damaged
 */
export async function loadRunModel(device: Device, path: string, name: string): Promise<DualEncoder> {
  const file = `${path}/${name}.safetensors`;
  return DualEncoder.load(device, await readFileBytes(file), { name: file });
}
