/**
 * The contrastive losses with their gradients.
 *
 * @module
 */

import { contrastive as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { expectShape, type Tensor } from "../graph/tensor.ts";
import { copyInto } from "../ops/gather.ts";
import { matmul } from "../ops/matmul.ts";

const WORKGROUP = 64;

/** The most bytes of dot products that are stored at a time, unless {@link ROW_GRID} rows take more. */
const BLOCK_BYTES = 16 * 2 ** 20;

/** Blocks start at multiples of this many rows, so that every tensor's rows start on the grid that bindings need. */
const ROW_GRID = 64;

/** Which contrastive loss. */
export type LossName = "sigmoid" | "softmax";

/** All names, for help and checks. */
export const lossNames: readonly LossName[] = ["sigmoid", "softmax"];

/** Unit embeddings of a batch of pairs, and the learned scale and bias of their logits. */
export interface Pairing {
  /** [b, D], unit rows. */
  readonly image: Tensor;
  /** [b, D], unit rows. */
  readonly text: Tensor;
  /** [1], t: logits are scaled by exp(t). */
  readonly logitScale: Tensor;
  /** [1], β. */
  readonly logitBias: Tensor;
}

/** A loss, and the gradients that its reverse walk starts from. */
export interface ContrastiveLoss {
  /** [1] */
  readonly loss: Tensor;
  /** Image embeddings, text embeddings, logit scale and logit bias, each with its gradient. */
  readonly seeds: readonly [image: Seed, text: Seed, logitScale: Seed, logitBias: Seed];
}

type Seed = readonly [tensor: Tensor, gradient: Tensor];

/** Rows `first` … `to` − 1 of the dot products. */
interface Block {
  readonly first: number;
  readonly to: number;
  /** [R, D] */
  readonly image: Tensor;
}

/**
 * A contrastive loss over all b² pairs of a batch, and the start of its reverse walk.
 *
 * - `sigmoid`: (1/b) Σ −log σ(±(α zᴵ·zᵀ + β)), + on the diagonal (SigLIP, arXiv:2303.15343)
 * - `softmax`: mean of both directions' cross-entropies (CLIP, arXiv:2103.00020); β cancels, its gradient is zero
 *
 * The dot products of a large batch are never there all at once: they are computed, and passed back, in blocks of rows.
 *
 * @param options.blockBytes the most bytes of dot products that are stored at a time; 16 MiB when left out, which is
 *   one block up to b = 2048
 * @returns the loss [1]; call {@link Graph.backward} with `seeds` for the gradients
 * @throws TypeError when the embeddings differ in shape
 */
export function contrastiveLoss(
  graph: Graph,
  pairing: Pairing,
  name: LossName,
  { blockBytes = BLOCK_BYTES }: { blockBytes?: number } = {},
): ContrastiveLoss {
  const { image, text, logitScale, logitBias } = pairing;
  expectShape(text, image.shape, "text embeddings");
  const [batch] = image.shape;
  const blocks = rowBlocks(image, blockBytes);
  const lse = name === "softmax" ? softmaxLse(graph, pairing, blocks) : null;
  const rowSums = graph.temporary("loss of rows", [batch, 4]);
  const constants = { WORKGROUP };
  const dimage = blocks.length > 1 ? graph.temporary("d image embeddings", image.shape) : null;
  let dimageBlock!: Tensor, dtext: Tensor | null = null;
  for (const block of blocks) {
    const { first, to } = block, rows = to - first;
    const dots = lse?.dots ?? dotProducts(graph, block, text);
    const ddots = graph.temporary("d dot products", [rows, batch]);
    const common = {
      params: { batch, first, rows },
      dots,
      logit_scale: logitScale,
      logit_bias: logitBias,
      ddots,
      row_sums: rowSums.rows(first, to),
    };
    const options = { workgroups: [rows, 1, 1], constants } as const;
    if (!lse) graph.dispatch(shader, "sigmoid_loss", common, options);
    else {
      const { rowLse, columnLse } = lse;
      const both = { row_lse: rowLse.rows(first, to), column_lse: columnLse };
      graph.dispatch(shader, "softmax_loss", { ...common, ...both }, options);
    }
    dimageBlock = matmul(graph, ddots, text, { label: "d image embeddings" });
    if (dimage) copyInto(graph, dimageBlock, dimage.rows(first, to));
    dtext = matmul(graph, ddots, block.image, {
      transposeA: true,
      addend: dtext,
      label: "d text embeddings",
    });
  }
  const loss = graph.temporary("loss", [1]);
  const dlogitScale = graph.temporary("d logit_scale", [1]),
    dlogitBias = graph.temporary("d logit_bias", [1]);
  graph.dispatch(shader, "finish", {
    params: { batch, first: 0, rows: batch },
    row_sums_in: rowSums,
    loss,
    dlogit_scale: dlogitScale,
    dlogit_bias: dlogitBias,
  }, { workgroups: [1, 1, 1], constants });
  return {
    loss,
    seeds: [
      [image, dimage ?? dimageBlock],
      [text, dtext!],
      [logitScale, dlogitScale],
      [logitBias, dlogitBias],
    ],
  };
}

function rowBlocks(image: Tensor, blockBytes: number): Block[] {
  const [batch] = image.shape;
  const fitting = Math.floor(blockBytes / (batch * 4));
  if (fitting >= batch) return [{ first: 0, to: batch, image }];
  const rows = Math.max(ROW_GRID, Math.floor(fitting / ROW_GRID) * ROW_GRID);
  return Array.from({ length: Math.ceil(batch / rows) }, (_, at) => {
    const first = at * rows, to = Math.min(first + rows, batch);
    return { first, to, image: image.rows(first, to) };
  });
}

function dotProducts(graph: Graph, { image }: Block, text: Tensor): Tensor {
  return matmul(graph, image, text, { transposeB: true, label: "dot products" });
}

/**
 * Log-sum-exp of every row [b] and column [b] of the logits: what the softmax loss must know before its first gradient.
 * A single block's dot products are handed on; those of several are computed again rather than kept.
 */
function softmaxLse(
  graph: Graph,
  { image, text, logitScale, logitBias }: Pairing,
  blocks: readonly Block[],
): { rowLse: Tensor; columnLse: Tensor; dots: Tensor | null } {
  const [batch] = image.shape;
  const rowLse = graph.temporary("row lse", [batch]);
  let columnLse: Tensor | null = null, dots!: Tensor;
  for (const block of blocks) {
    const { first, to } = block;
    dots = dotProducts(graph, block, text);
    const grown = graph.temporary("column lse", [batch]);
    graph.dispatch(shader, "softmax_lse", {
      params: { batch, first, rows: to - first },
      dots,
      logit_scale: logitScale,
      logit_bias: logitBias,
      row_lse_out: rowLse.rows(first, to),
      column_lse_out: grown,
      column_lse_before: columnLse ?? graph.nothing,
    }, { workgroups: [batch, 2, 1], constants: { WORKGROUP, ACCUMULATE: columnLse !== null } });
    columnLse = grown;
  }
  return { rowLse, columnLse: columnLse!, dots: blocks.length === 1 ? dots : null };
}
