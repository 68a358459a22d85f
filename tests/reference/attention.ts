/**
 * Multi-head softmax attention in float64: out = softmax(q kᵀ / √K) v per example and head.
 *
 * B examples, Tq queries, Tk keys, H heads of K columns, D = H·K. Head h is columns h·K … (h + 1)·K.
 */

/** Operands: q [B, Tq, D] ([Tq, D] when shared), k and v [B, Tk, D], mask [B, Tk] with 1 where a key counts. */
export interface AttentionInputs {
  readonly q: ArrayLike<number>;
  readonly k: ArrayLike<number>;
  readonly v: ArrayLike<number>;
  readonly mask?: ArrayLike<number>;
}

/** Sizes of an attention. */
export interface AttentionSize {
  readonly examples: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads: number;
  readonly width: number;
  /** Query t attends to the keys 0 … t only. */
  readonly causal?: boolean;
  /** Every example uses the same queries, such as a pooling probe. */
  readonly sharedQueries?: boolean;
}

/** One query row of one head, and the softmax weights of its keys. */
interface Row {
  readonly qAt: number;
  readonly outAt: number;
  readonly keyAt: (key: number) => number;
  readonly weights: Float64Array;
  readonly lse: number;
  readonly lseAt: number;
}

function* rows({ q, k, mask }: AttentionInputs, size: AttentionSize): Generator<Row> {
  const { examples, queries, keys, heads, width } = size, head = width / heads;
  for (let b = 0; b < examples; b++) {
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < queries; t++) {
        const outAt = (b * queries + t) * width + h * head;
        const qAt = size.sharedQueries ? t * width + h * head : outAt;
        const keyAt = (key: number) => (b * keys + key) * width + h * head;
        const scores = Float64Array.from({ length: keys }, (_, key) => {
          if (mask && !mask[b * keys + key] || size.causal && key > t) return -Infinity;
          let sum = 0;
          for (let c = 0; c < head; c++) sum += q[qAt + c] * k[keyAt(key) + c];
          return sum / Math.sqrt(head);
        });
        const largest = scores.reduce((a, b) => Math.max(a, b));
        if (largest === -Infinity) throw new RangeError(`Example ${b} masks every key`);
        const lse = largest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - largest), 0));
        const weights = scores.map((score) => Math.exp(score - lse));
        yield { qAt, outAt, keyAt, weights, lse, lseAt: (b * heads + h) * queries + t };
      }
    }
  }
}

/** out [B, Tq, D] and lse [B, H, Tq], the logarithm of each row's sum of exponentials. */
export function attention(
  inputs: AttentionInputs,
  size: AttentionSize,
): { out: Float64Array; lse: Float64Array } {
  const { examples, queries, heads, width } = size;
  const out = new Float64Array(examples * queries * width),
    lse = new Float64Array(examples * heads * queries);
  for (const row of rows(inputs, size)) {
    lse[row.lseAt] = row.lse;
    row.weights.forEach((weight, key) => {
      for (let c = 0; c < width / heads; c++) out[row.outAt + c] += weight * inputs.v[row.keyAt(key) + c];
    });
  }
  return { out, lse };
}

/** dq, dk and dv, laid out as q, k and v, from dout [B, Tq, D]. */
export function attentionBackward(
  inputs: AttentionInputs,
  dout: ArrayLike<number>,
  size: AttentionSize,
): { dq: Float64Array; dk: Float64Array; dv: Float64Array } {
  const { q, k, v } = inputs, head = size.width / size.heads;
  const dq = new Float64Array(q.length), dk = new Float64Array(k.length), dv = new Float64Array(v.length);
  for (const { qAt, outAt, keyAt, weights } of rows(inputs, size)) {
    const dweights = weights.map((_, key) => {
      let sum = 0;
      for (let c = 0; c < head; c++) sum += dout[outAt + c] * v[keyAt(key) + c];
      return sum;
    });
    const mean = weights.reduce((sum, weight, key) => sum + weight * dweights[key], 0);
    weights.forEach((weight, key) => {
      const dscore = weight * (dweights[key] - mean) / Math.sqrt(head);
      for (let c = 0; c < head; c++) {
        dq[qAt + c] += dscore * k[keyAt(key) + c];
        dk[keyAt(key) + c] += dscore * q[qAt + c];
        dv[keyAt(key) + c] += weight * dout[outAt + c];
      }
    });
  }
  return { dq, dk, dv };
}
