/**
 * How finely a step sees its pictures. Flexi-JEST scores a super-batch coarsely, by larger patches or by fewer, and trains
 * a share of each batch as coarsely, so that the learner is good at what it scores with; one loss is taken over the
 * embeddings of both (arXiv:2406.17711, section 2).
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import { type ForwardPass, recall } from "../ops/recall.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Pairing } from "../losses/contrastive.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import { type BatchTensors, imageEmbeddings, textEmbeddings } from "../models/dual_encoder.ts";
import type { ParameterTensors } from "../models/parameters.ts";
import type { Resolution } from "../models/vision.ts";
import type { TokenIndex } from "../ops/embedding.ts";
import { gatherRows, mergeRows } from "../ops/gather.ts";

/** How a step sees its pictures. */
export interface CoTraining {
  /** Side of the fine patches, in pixels. */
  readonly patchSize: number;
  /** Side of the patches of what is scored, and of the coarse share, in pixels. */
  readonly scorePatchSize: number;
  /** Share of these patches that is dropped, drawn anew for every picture and step. */
  readonly scoreDrop: number;
  /** Share λ of a batch that is trained as coarsely as it is scored. */
  readonly coarseShare: number;
  readonly seed: number;
}

/** A model in training. */
export interface CoTrained extends CoTraining {
  readonly config: DualEncoderConfig;
  /** [0] u32: number of the step. */
  readonly step: Tensor;
  /** The scoring pass, where what it computed is used again; null or left out where it is not. */
  readonly kept?: KeptPass | null;
}

/** What scoring a super-batch computed in either tower. */
export interface KeptPass {
  readonly image: ForwardPass;
  readonly text: ForwardPass;
  /** [b] u32: places of the batch's examples in the super-batch. */
  readonly indices: Tensor;
}

/** Passes of a step; each draws the patches that it keeps anew. */
export const Pass = { score: 0, train: 1 } as const;

/**
 * How a super-batch is scored, and the coarse share of a batch trained.
 *
 * @param first number of the first picture within the pass
 */
export function coarseResolution(
  { scorePatchSize, scoreDrop, seed, step }: CoTrained,
  pass: number,
  first: number,
): Resolution {
  if (scoreDrop === 0) return { patchSize: scorePatchSize };
  return { patchSize: scorePatchSize, dropping: { keep: 1 - scoreDrop, seed, step, pass, first } };
}

/** Whether scoring sees every picture just as training does, so that its embedding is the one that is trained. */
export function scoresAsTrained(
  { patchSize, scorePatchSize, scoreDrop, coarseShare }: CoTraining,
): boolean {
  return scoreDrop === 0 && (patchSize === scorePatchSize || coarseShare === 1);
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
  const fine: number[] = [], coarse: number[] = [];
  for (let place = from; place < to; place++) {
    const isCoarse = coarseBefore(place + 1, coarseShare) > coarseBefore(place, coarseShare);
    (isCoarse ? coarse : fine).push(place - from);
  }
  return { fine, coarse };
}

/** How many places before this one are coarse. */
function coarseBefore(place: number, coarseShare: number): number {
  return Math.floor(place * coarseShare + 1e-9); // the tolerance keeps 0.1 · 10 from falling short of 1
}

/**
 * Embeds a run of a batch, each example at its resolution. Where the scoring pass is kept the run is the whole batch, and
 * what was computed to score it is not computed again.
 *
 * @param from the run's first place in the batch
 * @param index where the tokens occur, for the gradient of the table; null in a forward pass
 */
export function embedCoTrained(
  graph: Graph,
  parameters: ParameterTensors,
  model: CoTrained,
  { pixels, tokens }: BatchTensors,
  from: number,
  index: TokenIndex | null,
): Pairing {
  const { config, patchSize, scorePatchSize, scoreDrop, coarseShare, kept } = model;
  const places = placesByResolution(from, from + pixels.shape[0], coarseShare);
  const fine = { patchSize }, coarse = coarseResolution(model, Pass.train, coarseBefore(from, coarseShare));
  const asScored = ({ patchSize }: Resolution) => scoreDrop === 0 && patchSize === scorePatchSize;
  /** The pictures at some of the places, at all of them when `rows` is null. */
  const imagesOf = (rows: Tensor | null, resolution: Resolution): Tensor => {
    const at = (x: Tensor) => rows ? gatherRows(graph, x, rows) : x;
    const build = () => imageEmbeddings(graph, parameters, config, at(pixels), resolution);
    return kept && asScored(resolution) ? recall(graph, kept.image, at(kept.indices), build) : build();
  };
  const imagesAt = (places: readonly number[], resolution: Resolution): Tensor =>
    imagesOf(
      graph.constant("places of one resolution", [places.length], Uint32Array.from(places)),
      resolution,
    );
  const images = (): Tensor => {
    const { fine: finely, coarse: coarsely } = places;
    if (coarsely.length === 0 || asScored(fine)) return imagesOf(null, fine);
    if (finely.length === 0) return imagesOf(null, coarse);
    return mergeRows(graph, [imagesAt(finely, fine), imagesAt(coarsely, coarse)], [finely, coarsely]);
  };
  const texts = () => textEmbeddings(graph, parameters, config, tokens, index);
  return {
    image: images(),
    text: kept ? recall(graph, kept.text, kept.indices, texts) : texts(),
    logitScale: parameters.get("logit_scale"),
    logitBias: parameters.get("logit_bias"),
  };
}
