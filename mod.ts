/**
 * superbatch trains image–text dual encoders (CLIP and SigLIP style) on any GPU through WebGPU, and curates the data
 * while training with JEST, joint example selection (Evans et al., arXiv:2406.17711): from a large super-batch it
 * selects the sub-batch that is jointly most learnable.
 *
 * Importing this module touches no network, disk or GPU.
 *
 * @example Train on your own batches
 * ```ts
 * import { Device, DualEncoder, preset, Trainer } from "@superbatch/superbatch";
 *
 * using device = await Device.open();
 * using model = DualEncoder.create(device, preset("mini"), { seed: 1 });
 * using trainer = await Trainer.create(model, { steps: 2, batch: 8, seed: 1, learningRate: 5e-3 });
 * const { imageSize } = model.config.vision, { tokens } = model.config.text;
 * for (let step = 0; step < 2; step++) {
 *   trainer.step({
 *     pixels: crypto.getRandomValues(new Uint8Array(8 * imageSize * imageSize * 3)),
 *     tokens: Uint32Array.from({ length: 8 * tokens }, (_, i) => i % 100),
 *   });
 * }
 * console.log((await trainer.readLog()).map(({ loss }) => loss));
 * ```
 *
 * @module
 */

export {
  type AdapterSummary,
  type AdapterTraits,
  Device,
  type DeviceCounters,
  NoAdapterError,
  type OptionalFeature,
} from "./src/gpu/device.ts";
export {
  type Activation,
  type DualEncoderConfig,
  type Preprocessing,
  preprocessingOf,
  preset,
  type PresetName,
  presetNames,
  type TextConfig,
  type TowerConfig,
  type VisionConfig,
} from "./src/models/config.ts";
export type { Precision } from "./src/models/precision.ts";
export { DualEncoder } from "./src/models/model.ts";
export { type Checkpoint, readCheckpoint, writeCheckpoint } from "./src/models/checkpoint.ts";
export {
  type ImportedModel,
  importModel,
  type ImportOptions,
  type ModelFiles,
} from "./src/models/pretrained/import.ts";
export type { NamedTensors } from "./src/models/pretrained/tensor_map.ts";
export { type ExportedModel, exportModel } from "./src/models/pretrained/export.ts";
export { exportOnnxModel } from "./src/models/onnx/model_files.ts";
export type { FileContent } from "./src/storage/files.ts";
export type { FineTuning, TowerName } from "./src/models/fine_tuning.ts";
export type { ProfileOptions } from "./src/gpu/profiler.ts";
export type { DispatchProfile, ProgramProfile } from "./src/graph/profile.ts";
export { type LossName, lossNames } from "./src/losses/contrastive.ts";
export type { AdamWOptions } from "./src/optim/adamw.ts";
export {
  DivergenceError,
  type StepLog,
  type SuperBatch,
  Trainer,
  type TrainerOptions,
} from "./src/train/trainer.ts";
export { type SamplerName, samplerNames } from "./src/selection/samplers.ts";
export { type ScoreName, scoreNames } from "./src/selection/scores.ts";
export {
  type HostEmbeddings,
  type HostModels,
  selectExamples,
  type SelectOptions,
  type SelectResult,
} from "./src/selection/select.ts";
export { retrieval, type RetrievalOptions, type RetrievalScores } from "./src/eval/retrieval.ts";
export { promptEnsemble, zeroShot } from "./src/eval/zero_shot.ts";
export { nearest, type Neighbor } from "./src/eval/nearest.ts";
export type { Evaluation, RetrievalScore, ZeroShotScore } from "./src/eval/evaluation.ts";
export {
  type Dtype,
  type ElementArrays,
  readSafetensors,
  SafetensorsError,
  type SafetensorsFile,
  type SafetensorsTensor,
  writeSafetensors,
} from "./src/storage/safetensors.ts";
export { resizePictures } from "./src/ops/resize_pictures.ts";
export type { RgbImage } from "./src/data/images/image.ts";
