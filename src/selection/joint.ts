import { linearGrid } from "../gpu/recorder.ts";
import { joint as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { expectShape, type Tensor } from "../graph/tensor.ts";
import type { Pairing } from "../losses/contrastive.ts";
import { matmul } from "../ops/matmul.ts";
import { drawChunk, drawState } from "./draw.ts";
import { chunkSizes, type Scores, type Selection, type SelectionRequest } from "./selection.ts";

const WORKGROUP = 64;
/** Keeps each matrix of products at or below 16 MiB. */
const BLOCK_ELEMENTS = 2 ** 22;

/** Rows of `length` columns that one block of products holds; whole blocks start on the grid that bindings need. */
function blockRows(length: number): number {
  return Math.max(64, Math.floor(BLOCK_ELEMENTS / length / 64) * 64);
}

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
  const common = {
    count: superBatch,
    batch,
    vectors: 0,
    learner_vectors: vectorsOf(learner, "learner", superBatch),
    reference_vectors: vectorsOf(reference, "reference", superBatch),
    gain,
  };
  const constants = { WORKGROUP };
  const perExample = linearGrid(superBatch, WORKGROUP);

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
    learner_image: learner.image,
    learner_text: learner.text,
    reference_image: reference.image,
    reference_text: reference.text,
    logits,
    cond_out: cond,
    diagonal,
    slots_out: slots,
  }, {
    workgroups: perExample,
    constants,
    flops: 2 * superBatch * (learner.image.shape[1] + reference.image.shape[1]),
  });

  /** One model's embeddings of the members `first` … `first + members` − 1. */
  const membersOf = ({ image, text }: Pairing, first: number, members: number) => {
    const width = image.shape[1];
    const member_image = graph.temporary("images of members", [members, width]);
    const member_text = graph.temporary("texts of members", [members, width]);
    graph.dispatch(shader, "members", {
      params: { ...common, vectors: width / 4, first, members },
      image,
      text,
      indices,
      member_image,
      member_text,
    }, { workgroups: linearGrid(members * width / 4, WORKGROUP), constants });
    return { image: member_image, text: member_text };
  };
  const products = (rows: Tensor, columns: Tensor, label: string) =>
    matmul(graph, rows, columns, { transposeB: true, label });

  let drawn = 0;
  sizes.forEach((size, chunk) => {
    drawChunk(graph, cond, state, request, { chunk, first: drawn, members: size });
    const last = drawn + size;
    for (let first = drawn; chunk < chunks - 1 && first < last; first += blockRows(superBatch)) {
      const members = Math.min(blockRows(superBatch), last - first);
      const learned = membersOf(learner, first, members), referred = membersOf(reference, first, members);
      graph.dispatch(shader, "grow", {
        params: { ...common, first, members },
        learner_forth: products(learned.text, learner.image, "learner's texts of members by images"),
        learner_back: products(learned.image, learner.text, "learner's images of members by texts"),
        reference_forth: products(referred.text, reference.image, "reference's texts of members by images"),
        reference_back: products(referred.image, reference.text, "reference's images of members by texts"),
        logits,
        cond,
        slots,
      }, { workgroups: perExample, constants });
    }
    drawn = last;
  });

  const learned = membersOf(learner, 0, batch), referred = membersOf(reference, 0, batch);
  const rowSums = graph.temporary("scores of the selected", [batch]);
  for (let first = 0; first < batch; first += blockRows(batch)) {
    const members = Math.min(blockRows(batch), batch - first);
    const dots = ({ image, text }: { image: Tensor; text: Tensor }, model: string) =>
      products(image.rows(first, first + members), text, `${model}'s products of the selected`);
    graph.dispatch(shader, "sum_selected", {
      params: { ...common, first, members },
      learner_dots: dots(learned, "learner"),
      reference_dots: dots(referred, "reference"),
      logits,
      row_sums: rowSums,
    }, { workgroups: linearGrid(members, WORKGROUP), constants });
  }
  const learnability = graph.temporary("batch learnability", [1]);
  graph.dispatch(shader, "finish", {
    params: { ...common, first: 0, members: batch },
    row_sums_in: rowSums,
    learnability,
  }, { workgroups: [1, 1, 1], constants });
  return { indices, slots, diagonal, learnability, entropy: state.entropy };
}

/** D / 4 of a model's embeddings. */
function vectorsOf({ image, text }: Pairing, model: string, superBatch: number): number {
  const width = image.shape[1];
  expectShape(image, [superBatch, width], `the ${model}'s image embeddings`);
  expectShape(text, [superBatch, width], `the ${model}'s text embeddings`);
  if (width % 4 !== 0) {
    throw new TypeError(`Cannot score embeddings of width ${width}: it must be a multiple of 4`);
  }
  return width / 4;
}
