/**
 * The reference of an experiment, or several as one: what is left of it in a file of scored pairs, a checkpoint, one that was
 * kept, or one that is trained now.
 *
 * @module
 */

import { sha256 } from "../data/cache.ts";
import type { TokenisedDataset } from "../data/dataset.ts";
import { decodeScored } from "../data/scored_pairs.ts";
import { splitSources } from "../data/sources/open_source.ts";
import { DualEncoder } from "../models/model.ts";
import { readFileBytes } from "../storage/files.ts";
import type { Evaluation } from "../train/record.ts";
import { modelConfig, ownReferences, type PlannedOptions, referenceOptions } from "./arm_options.ts";
import { sideBySide, together } from "./ensemble.ts";
import { embedTest, evaluateEmbeddings, type TestEmbeddings } from "./evaluate.ts";
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
  /** The models that it is made of; none where only its embeddings are at hand. */
  readonly models: readonly DualEncoder[];
  /** Its embeddings of the pool. */
  readonly embeddings: EmbeddingSet;
  /** Null without models. */
  readonly evaluation: Evaluation | null;
  /** Spent now: zero for what was kept from earlier. */
  readonly flops: { readonly train: number; readonly score: number };
}

/** One model of a reference. */
interface MemberReference extends Disposable {
  readonly model: DualEncoder;
  /** Its embeddings of the pool. */
  readonly embeddings: EmbeddingSet;
  /** Its embeddings of the test set. */
  readonly tested: TestEmbeddings;
  readonly flops: PreparedReference["flops"];
}

/**
 * The reference of an experiment. Of several models it is the one whose logits are the mean of theirs.
 *
 * @throws {FileError} when a file that is named is not there
 * @throws TypeError or RangeError when it does not fit the pool
 */
export async function prepareReference(experiment: Experiment): Promise<PreparedReference> {
  const { options, data } = experiment;
  if (options.scored !== null) return await scoredReference(experiment, options.scored);
  const members: MemberReference[] = [],
    dispose = () => members.forEach((member) => member[Symbol.dispose]());
  try {
    for (const path of options.reference === null ? [] : splitSources(options.reference)) {
      members.push(await namedReference(experiment, path));
    }
    for (const own of options.reference === null ? ownReferences(options) : []) {
      members.push(await ownReference({ ...experiment, options: own }));
    }
    const sets = members.map(({ embeddings }) => embeddings);
    return {
      models: members.map(({ model }) => model),
      embeddings: {
        ...together(sets),
        image: sideBySide(sets, ({ image }) => image),
        text: sideBySide(sets, ({ text }) => text),
      },
      evaluation: evaluateEmbeddings(members.map(({ tested }) => tested), data.test),
      flops: {
        train: members.reduce((sum, { flops }) => sum + flops.train, 0),
        score: members.reduce((sum, { flops }) => sum + flops.score, 0),
      },
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
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
    models: [],
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
async function namedReference(experiment: Experiment, path: string): Promise<MemberReference> {
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

/** A reference of the experiment's own: kept from an earlier one, or trained now. */
async function ownReference(experiment: Experiment): Promise<MemberReference> {
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

/** A reference with its embeddings of the pool and of the test set. */
async function embedPool(
  { hooks, data, files }: Experiment,
  model: DualEncoder,
  key: string,
  patchSize: number | undefined,
  trained: number,
): Promise<MemberReference> {
  const { embeddings, computed } = await referenceEmbeddings(model, data.pool, files, key, {
    patchSize,
    onProgress: (done, total) => stoppable(hooks).onProgress("embed the pool by the reference", done, total),
  });
  return {
    model,
    embeddings,
    tested: await embedTest(model, data.test, patchSize),
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
