import { linearGrid } from "../gpu/recorder.ts";
import { joint as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { expectShape } from "../graph/tensor.ts";
import type { Pairing } from "../losses/contrastive.ts";
import { drawChunk, drawState } from "./draw.ts";
import { chunkSizes, type Scores, type Selection, type SelectionRequest } from "./selection.ts";

const WORKGROUP = 64;

/**
 * JEST's joint example selection (arXiv:2406.17711): N chunks, each drawn with p ∝ exp(cond), where cond is what the
 * batch's summed score would grow by given the chunks before. The score is learnability under the sigmoid loss.
 *
 * @throws RangeError unless 1 ≤ N ≤ b ≤ S
 * @throws TypeError when an embedding's width is no multiple of 4, or embeddings are not [S, D]
 */
export function selectJoint(graph: Graph, scores: Scores, request: SelectionRequest): Selection {
  const { superBatch, batch, chunks, gain } = request;
  const { learner, reference } = scores;
  const sizes = chunkSizes(superBatch, batch, chunks);
  const vectors = ({ image, text }: Pairing, model: string) => {
    const width = image.shape[1];
    expectShape(image, [superBatch, width], `the ${model}'s image embeddings`);
    expectShape(text, [superBatch, width], `the ${model}'s text embeddings`);
    if (width % 4 !== 0) {
      throw new TypeError(`Cannot score embeddings of width ${width}: it must be a multiple of 4`);
    }
    return width / 4;
  };
  const common = {
    count: superBatch,
    batch,
    learner_vectors: vectors(learner, "learner"),
    reference_vectors: vectors(reference, "reference"),
    gain,
  };
  const embeddings = {
    learner_image: learner.image,
    learner_text: learner.text,
    reference_image: reference.image,
    reference_text: reference.text,
  };
  const constants = { WORKGROUP };
  const perExample = linearGrid(superBatch, WORKGROUP);
  const flopsPerPair = 2 * (learner.image.shape[1] + reference.image.shape[1]);

  const logits = graph.temporary("scales and biases", [4]);
  graph.dispatch(shader, "pack_logits", {
    learner_scale: learner.logitScale,
    learner_bias: learner.logitBias,
    reference_scale: reference.logitScale,
    reference_bias: reference.logitBias,
    logits_out: logits,
  }, { workgroups: [1, 1, 1], constants });

  const state = drawState(graph, superBatch, batch, chunks);
  const { indices, slots } = state;
  const cond = graph.temporary("conditional scores", [superBatch]);
  const diagonal = graph.temporary("own scores", [superBatch]);
  graph.dispatch(shader, "start", {
    params: { ...common, first: 0, members: 0 },
    ...embeddings,
    logits,
    cond_out: cond,
    diagonal,
    slots_out: slots,
  }, { workgroups: perExample, constants, flops: superBatch * flopsPerPair });

  let first = 0;
  sizes.forEach((members, chunk) => {
    drawChunk(graph, cond, state, request, { chunk, first, members });
    if (chunk < chunks - 1) {
      graph.dispatch(shader, "grow", {
        params: { ...common, first, members },
        ...embeddings,
        logits,
        cond,
        indices,
        slots,
      }, { workgroups: perExample, constants, flops: 2 * superBatch * members * flopsPerPair });
    }
    first += members;
  });

  const rowSums = graph.temporary("scores of the selected", [batch]);
  graph.dispatch(shader, "sum_selected", {
    params: { ...common, first: 0, members: batch },
    ...embeddings,
    logits,
    indices,
    row_sums: rowSums,
  }, {
    workgroups: linearGrid(batch, WORKGROUP),
    constants,
    flops: 2 * batch * batch * flopsPerPair,
    bytes: 4 * batch * flopsPerPair + indices.sizeBytes + rowSums.sizeBytes, // the selected rows alone
  });
  const learnability = graph.temporary("batch learnability", [1]);
  graph.dispatch(shader, "finish", {
    params: { ...common, first: 0, members: batch },
    row_sums_in: rowSums,
    learnability,
  }, { workgroups: [1, 1, 1], constants });
  return { indices, slots, diagonal, learnability, entropy: state.entropy };
}
