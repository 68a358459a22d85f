/**
 * The contrastive losses in float64, with logits = exp(t) · zᴵ zᵀᵀ + β over b pairs of width D.
 *
 * - sigmoid: (1/b) Σ_ij −log σ(m_ij · logits_ij), m = 2I − 1 (SigLIP, arXiv:2303.15343)
 * - softmax: mean over both directions and the batch of the cross-entropy with the pair as its class (CLIP,
 *   arXiv:2103.00020); β cancels, so its gradient is exactly 0
 */

import { matmul } from "./matmul.ts";

/** Unit embeddings image and text [b, D], t [1] and β [1]. */
export interface Pairing {
  readonly image: Float64Array;
  readonly text: Float64Array;
  readonly logitScale: Float64Array;
  readonly logitBias: Float64Array;
}

/** A loss and the gradients of all that it depends on. */
export interface LossGradients {
  readonly loss: number;
  readonly dimage: Float64Array;
  readonly dtext: Float64Array;
  readonly dlogitScale: Float64Array;
  readonly dlogitBias: Float64Array;
}

/** log(1 + eˣ) without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** The sigmoid loss. */
export function sigmoidLoss(pairing: Pairing, batch: number): LossGradients {
  let loss = 0;
  const logits = logitsOf(pairing, batch);
  const dlogits = logits.map((logit, at) => {
    const sign = at % (batch + 1) === 0 ? 1 : -1; // the diagonal is every (b + 1)-th element
    loss += softplus(-sign * logit) / batch;
    return -sign / (1 + Math.exp(sign * logit)) / batch;
  });
  return { loss, ...throughLogits(pairing, dlogits, batch) };
}

/** The symmetric softmax loss. */
export function softmaxLoss(pairing: Pairing, batch: number): LossGradients {
  const logits = logitsOf(pairing, batch);
  const index = Array.from({ length: batch }, (_, i) => i);
  const lse = (values: number[]) => {
    const largest = Math.max(...values);
    return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  };
  const rows = index.map((i) => lse(index.map((j) => logits[i * batch + j])));
  const columns = index.map((j) => lse(index.map((i) => logits[i * batch + j])));
  const loss = index.reduce(
    (sum, i) => sum + (rows[i] + columns[i] - 2 * logits[i * (batch + 1)]) / (2 * batch),
    0,
  );
  const dlogits = logits.map((logit, at) => {
    const i = Math.floor(at / batch), j = at % batch;
    return (Math.exp(logit - rows[i]) + Math.exp(logit - columns[j]) - 2 * Number(i === j)) / (2 * batch);
  });
  return { loss, ...throughLogits(pairing, dlogits, batch), dlogitBias: new Float64Array(1) };
}

/** [b, b] */
function logitsOf({ image, text, logitScale, logitBias }: Pairing, batch: number): Float64Array {
  const size = { m: batch, n: batch, k: image.length / batch };
  return matmul("NT", image, text, size).map((value) => Math.exp(logitScale[0]) * value + logitBias[0]);
}

/** Gradients from dlogits [b, b]. */
function throughLogits(
  { image, text, logitScale }: Pairing,
  dlogits: Float64Array,
  batch: number,
): Omit<LossGradients, "loss"> {
  const scale = Math.exp(logitScale[0]), size = { m: batch, n: image.length / batch, k: batch };
  const logits = logitsOf({ image, text, logitScale, logitBias: new Float64Array(1) }, batch);
  return {
    dimage: matmul("NN", dlogits, text, size).map((value) => scale * value),
    dtext: matmul("TN", dlogits, image, size).map((value) => scale * value),
    dlogitScale: Float64Array.of(dlogits.reduce((sum, d, at) => sum + d * logits[at], 0)), // d/dt of exp(t)·s is itself
    dlogitBias: Float64Array.of(dlogits.reduce((sum, d) => sum + d, 0)),
  };
}
