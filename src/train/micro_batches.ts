/**
 * Embedding and training more examples than memory holds the activations of: a part at a time, with the gradients of
 * the whole.
 *
 * @module
 */

import { BINDING_ALIGNMENT } from "../gpu/device.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { contrastiveLoss, type LossName, type Pairing } from "../losses/contrastive.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import type { BatchTensors } from "../models/dual_encoder.ts";
import type { ParameterTensors } from "../models/parameters.ts";
import type { TokenIndex } from "../ops/embedding.ts";
import { copyInto, gatherRows, takeRows } from "../ops/gather.ts";
import { type CoTrained, embedCoTrained, scoresAsTrained } from "./co_training.ts";

/** The batch that is to be trained. */
export interface TrainedBatch extends CoTrained {
  /** Examples, b. */
  readonly batch: number;
  /** Examples whose activations are kept at a time, m; b when left out. */
  readonly microBatch?: number;
  readonly loss: LossName;
  /** Where the tokens of the super-batch occur. */
  readonly tokenIndex: TokenIndex;
  /** [b] u32: places of the examples in the super-batch. */
  readonly indices: Tensor;
  /** The learner's embeddings of the super-batch at the coarse patches; null when it was not scored. */
  readonly scored: Pairing | null;
  /** Records the gathering of examples `from` … `to` − 1. */
  readonly take: (from: number, to: number) => BatchTensors;
}

/**
 * Records forward pass, loss and reverse walk of a batch; the gradients are then the parameters' in the graph.
 *
 * With micro-batches the loss is taken over all b embeddings as leaves, and its gradient by them handed to the towers a
 * micro-batch at a time (GradCache, Gao et al., arXiv:2101.06983): the gradients are those of the whole batch, and the
 * activations of one micro-batch are dead before the next begins. What GradCache calls its first pass, embedding the
 * batch, the scoring of the super-batch has done already, where it saw what is trained at the same resolution.
 *
 * @returns the loss [1]
 */
export function trainBatch(graph: Graph, parameters: ParameterTensors, request: TrainedBatch): Tensor {
  const { batch, microBatch = batch, tokenIndex, scored, indices, take } = request;
  const embed = (from: number, to: number, index: TokenIndex | null) =>
    embedCoTrained(graph, parameters, request, take(from, to), from, index);
  if (microBatch >= batch) {
    const pairing = embed(0, batch, tokenIndex);
    const { loss, seeds } = contrastiveLoss(graph, pairing, request.loss);
    graph.backward(seeds);
    return loss;
  }
  const leaves: Pairing = scored && scoresAsTrained(request)
    ? {
      ...scored,
      image: gatherRows(graph, scored.image, indices),
      text: gatherRows(graph, scored.text, indices),
    }
    : graph.phase(
      "embed",
      () => embedInParts(graph, request.config, batch, microBatch, (from, to) => embed(from, to, null)),
    );
  const { loss, seeds: [[, dimage], [, dtext], ...scalars] } = contrastiveLoss(graph, leaves, request.loss);
  graph.backward(scalars);
  for (let from = 0; from < batch; from += microBatch) {
    const to = Math.min(from + microBatch, batch), index = { ...tokenIndex, firstSlot: from };
    const { image, text } = embed(from, to, index);
    graph.backward([
      [image, takeRows(graph, dimage, from, to)],
      [text, takeRows(graph, dtext, from, to)],
    ]);
  }
  return loss;
}

/**
 * Records a forward pass over `count` examples that no gradient flows through, a bounded number at a time.
 *
 * @param part examples at a time; rounded up to what starts every part's embeddings on the grid that bindings need
 * @param embed records the embedding of the examples `from` … `to` − 1
 * @returns unit embeddings [count, E]
 */
export function embedInParts(
  graph: Graph,
  { embedding }: DualEncoderConfig,
  count: number,
  part: number,
  embed: (from: number, to: number) => Pairing,
): Pairing {
  return graph.withoutGradient(() => {
    const size = Math.ceil(part / rowGrid(embedding)) * rowGrid(embedding);
    if (count <= size) return embed(0, count);
    const image = graph.temporary("image embeddings", [count, embedding]);
    const text = graph.temporary("text embeddings", [count, embedding]);
    let pairing!: Pairing;
    for (let from = 0; from < count; from += size) {
      const to = Math.min(from + size, count);
      pairing = embed(from, to);
      copyInto(graph, pairing.image, image.rows(from, to));
      copyInto(graph, pairing.text, text.rows(from, to));
    }
    return { ...pairing, image, text };
  });
}

/** The fewest rows of so many columns that fill whole steps of the grid that bindings start on. */
function rowGrid(columns: number): number {
  let rows = 1;
  while (rows * columns * 4 % BINDING_ALIGNMENT !== 0) rows *= 2;
  return rows;
}
