/**
 * A model as bytes: its parameters, and all that it takes to use them, in one safetensors file, so that they can't drift
 * apart.
 *
 * @module
 */

import { readSafetensors, type SafetensorsTensor, writeSafetensors } from "../storage/safetensors.ts";
import { parsePreprocessing } from "../data/images/preprocessing.ts";
import { type DualEncoderConfig, preprocessingOf } from "./config.ts";
import { dualEncoderSpecs } from "./dual_encoder.ts";

const FORMAT = "superbatch dual encoder 1";

/** A dual encoder on the host. */
export interface Checkpoint {
  /** What it looks like, and how pictures become what it looks at. */
  readonly config: DualEncoderConfig;
  /** Every parameter by name, row-major. */
  readonly parameters: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  /** What else is known of it; `tokenizer` is the text of its `tokenizer.json`. */
  readonly notes: Readonly<Record<string, string>>;
}

/** The bytes of a safetensors file: every parameter by name, and the configuration and the notes as metadata. */
export function writeCheckpoint({ config, parameters, notes }: Checkpoint): Uint8Array<ArrayBuffer> {
  const tensors = new Map<string, SafetensorsTensor>();
  for (const { name, shape } of dualEncoderSpecs(config)) {
    tensors.set(name, { dtype: "F32", shape, data: parameters.get(name)! });
  }
  return writeSafetensors(tensors, { ...notes, format: FORMAT, config: JSON.stringify(config) });
}

/**
 * Reads what {@link writeCheckpoint} wrote.
 *
 * @param bytes a safetensors file
 * @param name what to call the file in errors
 * @throws {SafetensorsError} when the file is damaged
 * @throws TypeError when it holds another kind of model, or a tensor is missing or of another shape
 */
export function readCheckpoint(bytes: Uint8Array, name = "checkpoint"): Checkpoint {
  const { tensors, metadata } = readSafetensors(bytes, { name });
  const { format, config: configText, ...notes } = metadata;
  if (format !== FORMAT || !configText) {
    throw new TypeError(
      `${name} is no superbatch checkpoint: its metadata say "${
        format ?? "nothing"
      }", expected "${FORMAT}". ` +
        "Weights of transformers or timm become one by: superbatch import FOLDER",
    );
  }
  const config = JSON.parse(configText) as DualEncoderConfig;
  try {
    parsePreprocessing(preprocessingOf(config.vision));
  } catch (cause) {
    throw new TypeError(`${name}: ${(cause as Error).message}`, { cause });
  }
  const parameters = new Map(
    dualEncoderSpecs(config).map(({ name: parameter, shape }) => {
      const tensor = tensors.get(parameter);
      if (!tensor || tensor.dtype !== "F32" || String(tensor.shape) !== String(shape)) {
        throw new TypeError(
          `${name}: "${parameter}" is ${
            tensor ? `${tensor.dtype} [${tensor.shape}]` : "missing"
          }, expected F32 [${shape}]`,
        );
      }
      return [parameter, tensor.data];
    }),
  );
  return { config, parameters, notes };
}
