/**
 * Flexi-JEST's co-training: of every batch a share is trained at the coarse patch size that super-batches are scored at,
 * the rest at the fine one, and one loss is taken over the embeddings of both (arXiv:2406.17711, section 2).
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Pairing } from "../losses/contrastive.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import { type BatchTensors, embedPairs, imageEmbeddings, textEmbeddings } from "../models/dual_encoder.ts";
import type { ParameterTensors } from "../models/parameters.ts";
import type { TokenIndex } from "../ops/embedding.ts";
import { gatherRows, mergeRows } from "../ops/gather.ts";

/** A model, and how finely it sees what it trains on. */
export interface CoTrained {
  readonly config: DualEncoderConfig;
  /** Side of the fine patches, in pixels. */
  readonly patchSize: number;
  /** Side of the patches of what is scored, and of the coarse share, in pixels. */
  readonly scorePatchSize: number;
  /** Share λ of a batch that is trained at the coarse patches. */
  readonly coarseShare: number;
}

/**
 * The places of a batch's run `from` … `to` − 1 that are trained coarse and fine, counted from `from`. The coarse ones are
 * spread evenly over the order of selection: at a share of ½ they are the odd places, as in the paper's code.
 */
export function placesByResolution(
  from: number,
  to: number,
  coarseShare: number,
): { readonly fine: readonly number[]; readonly coarse: readonly number[] } {
  // The tolerance keeps 0.1 · 10 from falling short of 1.
  const coarseBefore = (place: number) => Math.floor(place * coarseShare + 1e-9);
  const fine: number[] = [], coarse: number[] = [];
  for (let place = from; place < to; place++) {
    (coarseBefore(place + 1) > coarseBefore(place) ? coarse : fine).push(place - from);
  }
  return { fine, coarse };
}

/**
 * Embeds a run of a batch, each example at its resolution.
 *
 * @param from the run's first place in the batch
 * @param index where the tokens occur, for the gradient of the table; null in a forward pass
 */
export function embedCoTrained(
  graph: Graph,
  parameters: ParameterTensors,
  { config, patchSize, scorePatchSize, coarseShare }: CoTrained,
  batch: BatchTensors,
  from: number,
  index: TokenIndex | null,
): Pairing {
  const { pixels, tokens } = batch;
  const { fine, coarse } = placesByResolution(from, from + pixels.shape[0], coarseShare);
  if (fine.length === 0 || coarse.length === 0 || patchSize === scorePatchSize) {
    return embedPairs(
      graph,
      parameters,
      config,
      batch,
      coarse.length === 0 ? patchSize : scorePatchSize,
      index,
    );
  }
  const imagesAt = (places: readonly number[], patchSize: number): Tensor => {
    const rows = graph.constant("places of one resolution", [places.length], Uint32Array.from(places));
    return imageEmbeddings(graph, parameters, config, gatherRows(graph, pixels, rows), patchSize);
  };
  return {
    image: mergeRows(graph, [imagesAt(fine, patchSize), imagesAt(coarse, scorePatchSize)], [fine, coarse]),
    text: textEmbeddings(graph, parameters, config, tokens, index),
    logitScale: parameters.get("logit_scale"),
    logitBias: parameters.get("logit_bias"),
  };
}
