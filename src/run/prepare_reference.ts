/**
 * The reference of an experiment: what is left of it in a file of scored pairs, a checkpoint, one that was kept, or one that
 * is trained now.
 *
 * @module
 */

import { sha256 } from "../data/cache.ts";
import type { TokenisedDataset } from "../data/dataset.ts";
import { decodeScored } from "../data/scored_pairs.ts";
import { DualEncoder } from "../models/model.ts";
import { readFileBytes } from "../storage/files.ts";
import type { Evaluation } from "../train/record.ts";
import { modelConfig, type PlannedOptions, referenceOptions } from "./arm_options.ts";
import { evaluate } from "./evaluate.ts";
import { type Experiment, newModel, runArm, stoppable } from "./experiment.ts";
import type { PreparedData } from "./prepare.ts";
import {
  contentKey,
  type EmbeddingSet,
  keepReference,
  keptReference,
  referenceEmbeddings,
} from "./reference.ts";
import { inferredSet } from "./reference_set.ts";

/** A reference with what making it cost. */
export interface PreparedReference extends Disposable {
  /** Null where only its embeddings are at hand. */
  readonly model: DualEncoder | null;
  /** Its embeddings of the pool. */
  readonly embeddings: EmbeddingSet;
  /** Null without a model. */
  readonly evaluation: Evaluation | null;
  /** Spent now: zero for what was kept from earlier. */
  readonly flops: { readonly train: number; readonly score: number };
}

/**
 * The reference of an experiment: what is left of it in a file of scored pairs, the checkpoint that is named, one kept from an
 * earlier experiment, or one trained now.
 */
export async function prepareReference(experiment: Experiment): Promise<PreparedReference> {
  const { reference, scored } = experiment.options;
  if (scored !== null) return await scoredReference(experiment, scored);
  return reference === null ? await ownReference(experiment) : await namedReference(experiment, reference);
}

/**
 * A reference's embeddings of the pool from a file.
 *
 * @throws {FileError} when there is no such file
 * @throws TypeError when it is damaged, or holds other pairs than the pool's
 */
async function scoredReference({ data: { pool } }: Experiment, path: string): Promise<PreparedReference> {
  const { image, text, header } = await decodeScored(await readFileBytes(path), path);
  if (header.data !== pool.hash) {
    throw new TypeError(
      `${path} was scored on other pairs than the pool's ${pool.size}: give the options that superbatch score was given, ` +
        `or score this pool`,
    );
  }
  const { width, logitScale, logitBias } = header;
  return {
    model: null,
    embeddings: { image, text, width, logitScale, logitBias },
    evaluation: null,
    flops: { train: 0, score: 0 },
    [Symbol.dispose]: () => {},
  };
}

/**
 * A checkpoint as the reference, of any size and with its own tokenizer.
 *
 * @throws {FileError} when there is no such file
 * @throws {SafetensorsError} when it is damaged
 * @throws TypeError when it is no checkpoint of superbatch, or holds no tokenizer
 * @throws RangeError when it looks at pictures of another size
 */
async function namedReference(experiment: Experiment, path: string): Promise<PreparedReference> {
  const { device, data } = experiment, bytes = await readFileBytes(path);
  const model = DualEncoder.load(device, bytes, { name: path });
  try {
    const { config: { vision, text }, notes } = model;
    if (vision.imageSize !== data.pool.imageSize) {
      throw new RangeError(
        `The reference ${path} looks at pictures of ${vision.imageSize} pixels, the pool's have ${data.pool.imageSize}: ` +
          `use --image-size ${vision.imageSize}`,
      );
    }
    if (!notes.tokenizer) {
      throw new TypeError(
        `The reference ${path} holds no tokenizer: use a checkpoint that superbatch train wrote`,
      );
    }
    const own = { ...experiment, data: data.tokenisedBy(notes.tokenizer, text) };
    return await embedPool(own, model, await contentKey([...await sha256(bytes)]), undefined, 0);
  } catch (error) {
    model[Symbol.dispose]();
    throw error;
  }
}

/** Names the reference that these options train on these data: by all that decides its numbers. */
export async function referenceKey(data: PreparedData, options: PlannedOptions): Promise<string> {
  const { referenceSteps: steps, batch, seed, learningRate, patch, warmUp, loss, beta2, precision } = options;
  const { initial, lock, layerDecay } = options;
  return await contentKey({
    config: modelConfig(options),
    ...(initial ? { initial: initial.key, lock, layerDecay } : {}),
    ...await setKey(data, options),
    // The same captions are other ids by another pool's tokenizer.
    tokenizer: data.tokenizerJson,
    steps,
    batch,
    seed,
    learningRate,
    patch,
    warmUp,
    loss,
    beta2,
    precision,
    version: 4,
  });
}

async function ownReference(experiment: Experiment): Promise<PreparedReference> {
  const { hooks, device, data, files } = experiment;
  const options = referenceOptions(experiment.options), key = await referenceKey(data, options);
  let model = await keptReference(device, files, key);
  let trained = 0;
  if (model) hooks.log("Reference: kept from an earlier run");
  else {
    const { set, flops } = await referenceSet({ ...experiment, options });
    model = newModel(experiment, options);
    const result = await runArm({ ...experiment, options }, model, "reference", null, set);
    trained = result.flops.referenceTrain + flops;
    await keepReference(files, key, model);
  }
  return await embedPool(experiment, model, key, options.patch ?? undefined, trained);
}

/** A reference with its embeddings of the pool and its evaluation. */
async function embedPool(
  { hooks, data, files }: Experiment,
  model: DualEncoder,
  key: string,
  patchSize: number | undefined,
  trained: number,
): Promise<PreparedReference> {
  const { embeddings, computed } = await referenceEmbeddings(model, data.pool, files, key, {
    patchSize,
    onProgress: (done, total) => stoppable(hooks).onProgress("embed the pool by the reference", done, total),
  });
  return {
    model,
    embeddings,
    evaluation: await evaluate(model, data.test, patchSize),
    flops: { train: trained, score: computed * model.forwardFlops(patchSize) },
    [Symbol.dispose]: () => model[Symbol.dispose](),
  };
}

/** Names what the reference is trained on. */
async function setKey(data: PreparedData, options: PlannedOptions): Promise<Record<string, unknown>> {
  const { referenceData, taskExamples, taskPairs } = options;
  if (referenceData !== "task") return { data: (referenceData === "pool" ? data.pool : data.reference).hash };
  const encoder = await referenceKey(data, { ...options, referenceData: "pool" });
  const task = data.task && await contentKey([data.task.pairs?.hash ?? null, ...data.task.tokens]);
  return { data: data.reference.hash, encoder, taskExamples, taskPairs, task };
}

/** What the reference is trained on, and what finding it cost in FLOPs. */
async function referenceSet(experiment: Experiment): Promise<{ set: TokenisedDataset; flops: number }> {
  const { data, options } = experiment;
  if (options.referenceData === "curated") return { set: data.reference, flops: 0 };
  if (options.referenceData === "pool") return { set: data.pool, flops: 0 };
  // What is like the task is seen by a model of the pool.
  using encoder = await ownReference({ ...experiment, options: { ...options, referenceData: "pool" } });
  const set = await inferredSet(data, options, encoder);
  return { set, flops: encoder.flops.train + encoder.flops.score };
}
