/**
 * What a reference is trained on.
 *
 * @module
 */

import { nearestToTask } from "../curation/task_reference.ts";
import { concatenate, subset, type TokenisedDataset } from "../data/dataset.ts";
import { permutation, Stream } from "../random/philox.ts";
import type { PlannedOptions } from "./arm_options.ts";
import type { PreparedData } from "./prepare.ts";
import type { PreparedReference } from "./experiment.ts";

/** The examples by which a task is known: some of the curated pairs, decided by the seed of the data. */
export async function taskExamples(
  { reference }: PreparedData,
  { taskExamples: wanted, dataSeed }: PlannedOptions,
): Promise<TokenisedDataset> {
  const order = permutation(dataSeed, Stream.data, 7, reference.size);
  return await subset(reference, Uint32Array.from(order.subarray(0, wanted)));
}

/**
 * The examples of a task with the pairs of the pool that are nearest to them.
 *
 * @param encoder a model trained on the pool itself, with its embeddings of it
 */
export async function inferredSet(
  data: PreparedData,
  options: PlannedOptions,
  { model, embeddings }: PreparedReference,
): Promise<TokenisedDataset> {
  const examples = await taskExamples(data, options), { taskPairs: count, seed } = options;
  if (count === 0) return examples;
  const task = {
    image: await model!.embedImages(examples.pictures.slice(0, examples.size), {
      patchSize: options.patch ?? undefined,
    }),
    text: await model!.embedTexts(examples.tokens),
    width: embeddings.width,
  };
  return await concatenate(
    examples,
    await subset(data.pool, nearestToTask(embeddings, task, { count, seed })),
  );
}
