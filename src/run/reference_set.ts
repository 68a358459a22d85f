/**
 * What a reference is trained on.
 *
 * @module
 */

import { nearestToTask } from "../curation/task_reference.ts";
import { concatenate, subset, type TokenisedDataset } from "../data/dataset.ts";
import type { DualEncoder } from "../models/model.ts";
import { permutation, Stream } from "../random/philox.ts";
import type { PlannedOptions } from "./arm_options.ts";
import type { PreparedData } from "./prepare.ts";
import type { EmbeddingSet } from "./reference.ts";

/** What a task is known by. */
interface Task {
  /** Null for captions alone. */
  readonly pairs: TokenisedDataset | null;
  /** [k, T] */
  readonly tokens: Uint32Array;
}

/** The user's task; in the default experiment some of the curated pairs stand for one, decided by the seed of the data. */
async function taskOf(
  { task, reference }: PreparedData,
  { taskExamples: wanted, dataSeed }: PlannedOptions,
): Promise<Task> {
  if (task) return task;
  const order = permutation(dataSeed, Stream.data, 7, reference.size);
  const pairs = await subset(reference, Uint32Array.from(order.subarray(0, wanted)));
  return { pairs, tokens: pairs.tokens };
}

/**
 * The examples of a task with the pairs of the pool that are nearest to them.
 *
 * @param encoder a model trained on the pool itself, with its embeddings of it
 * @throws RangeError when that leaves nothing to learn from
 */
export async function inferredSet(
  data: PreparedData,
  options: PlannedOptions,
  { model, embeddings }: { readonly model: DualEncoder; readonly embeddings: EmbeddingSet },
): Promise<TokenisedDataset> {
  const { pairs, tokens } = await taskOf(data, options), { seed } = options;
  const count = Math.min(options.taskPairs, data.pool.size);
  if (count === 0) {
    if (pairs) return pairs;
    throw new RangeError("A task of captions alone is nothing to learn from: give --task-pairs above 0");
  }
  const task = {
    ...(pairs
      ? {
        image: await model.embedImages(pairs.pictures.slice(0, pairs.size), {
          patchSize: options.patch ?? undefined,
        }),
      }
      : {}),
    text: await model.embedTexts(tokens),
    width: embeddings.width,
  };
  const found = await subset(data.pool, nearestToTask(embeddings, task, { count, seed }));
  return pairs ? await concatenate(pairs, found) : found;
}
