/**
 * What offline curation goes by: one model's unit embeddings of every pair.
 *
 * @module
 */

/** A model's unit embeddings of n pairs, and the scale and bias of its logits. */
export interface PairEmbeddings {
  /** [n, width], unit rows. */
  readonly image: Float32Array;
  /** [n, width], unit rows. */
  readonly text: Float32Array;
  readonly width: number;
  /** α */
  readonly logitScale: number;
  /** β */
  readonly logitBias: number;
}
