/**
 * The contrastive losses with their gradients.
 *
 * @module
 */

import { contrastive as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { expectShape, type Tensor } from "../graph/tensor.ts";
import { matmul } from "../ops/matmul.ts";

const WORKGROUP = 64;

/** Which contrastive loss. */
export type LossName = "sigmoid" | "softmax";

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

/**
 * A contrastive loss over all b² pairs of a batch, and the start of its reverse walk.
 *
 * - `sigmoid`: (1/b) Σ −log σ(±(α zᴵ·zᵀ + β)), + on the diagonal (SigLIP, arXiv:2303.15343)
 * - `softmax`: mean of both directions' cross-entropies (CLIP, arXiv:2103.00020); β cancels, its gradient is zero
 *
 * @returns the loss [1]; call {@link Graph.backward} with `seeds` for the gradients
 * @throws TypeError when the embeddings differ in shape
 */
export function contrastiveLoss(
  graph: Graph,
  { image, text, logitScale, logitBias }: Pairing,
  name: LossName,
): { loss: Tensor; seeds: [Tensor, Tensor][] } {
  expectShape(text, image.shape, "text embeddings");
  const [batch] = image.shape;
  const params = { batch };
  const dots = matmul(graph, image, text, { transposeB: true, label: "dot products" });
  const ddots = graph.temporary("d dot products", [batch, batch]);
  const rowSums = graph.temporary("loss of rows", [batch, 4]);
  const common = { params, dots, logit_scale: logitScale, logit_bias: logitBias, ddots, row_sums: rowSums };
  const constants = { WORKGROUP };
  if (name === "sigmoid") {
    graph.dispatch(shader, "sigmoid_loss", common, { workgroups: [batch, 1, 1], constants });
  } else {
    const rowLse = graph.temporary("row lse", [batch]), columnLse = graph.temporary("column lse", [batch]);
    graph.dispatch(shader, "softmax_lse", {
      params,
      dots,
      logit_scale: logitScale,
      logit_bias: logitBias,
      row_lse_out: rowLse,
      column_lse_out: columnLse,
    }, { workgroups: [batch, 2, 1], constants });
    graph.dispatch(shader, "softmax_loss", { ...common, row_lse: rowLse, column_lse: columnLse }, {
      workgroups: [batch, 1, 1],
      constants,
    });
  }
  const loss = graph.temporary("loss", [1]);
  const dlogitScale = graph.temporary("d logit_scale", [1]),
    dlogitBias = graph.temporary("d logit_bias", [1]);
  graph.dispatch(shader, "finish", {
    params,
    row_sums_in: rowSums,
    loss,
    dlogit_scale: dlogitScale,
    dlogit_bias: dlogitBias,
  }, { workgroups: [1, 1, 1], constants });
  return {
    loss,
    seeds: [
      [image, matmul(graph, ddots, text, { label: "d image embeddings" })],
      [text, matmul(graph, ddots, image, { transposeA: true, label: "d text embeddings" })],
      [logitScale, dlogitScale],
      [logitBias, dlogitBias],
    ],
  };
}
