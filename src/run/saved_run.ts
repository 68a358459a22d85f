/**
 * A run taken up again: its options and its models.
 *
 * @module
 */

import { type TrainOptions, trainOptions } from "../config/train_options.ts";
import type { Device } from "../gpu/device.ts";
import { DualEncoder } from "../models/model.ts";
import { readFileBytes } from "../storage/files.ts";
import type { RunRecord } from "../report/run_folder.ts";

/** The options that a run was made with. */
export function savedOptions({ config }: RunRecord): TrainOptions {
  const { model: _model, data: _data, ...options } = config;
  return trainOptions(options);
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
