/**
 * Which examples a step draws, and their bytes.
 *
 * @module
 */

import { permutation, Stream } from "../random/philox.ts";
import { pickRows, type TokenisedDataset } from "./dataset.ts";

/**
 * Draws super-batches without replacement within an epoch. What a step draws depends on the seed and the step alone.
 *
 * An epoch is as many whole super-batches as the data set holds; what is left over at its end is dropped and comes
 * again in the next epoch's order. So no super-batch ever holds an example twice.
 */
export class SuperBatchLoader {
  readonly #batches: number;
  #epoch = -1;
  #order = new Uint32Array();

  /**
   * A loader that stands at no step.
   *
   * @param size examples in the data set
   * @param superBatch examples of a super-batch
   * @param seed a non-negative integer below 2⁵³
   * @throws RangeError when the data set is smaller than a super-batch
   */
  constructor(
    /** Examples in the data set. */
    readonly size: number,
    /** Examples of a super-batch. */
    readonly superBatch: number,
    /** Decides the order. */
    readonly seed: number,
  ) {
    if (!Number.isInteger(superBatch) || superBatch < 1 || superBatch > size) {
      throw new RangeError(
        `Cannot draw super-batches of ${superBatch} from ${size} examples: use a smaller batch or filter ratio, or more data`,
      );
    }
    this.#batches = Math.floor(size / superBatch);
  }

  /** The examples of step `step`, from 0. */
  indices(step: number): Uint32Array {
    const epoch = Math.floor(step / this.#batches), batch = step % this.#batches;
    if (epoch !== this.#epoch) {
      this.#order = permutation(this.seed, Stream.shuffle, epoch, this.size) as Uint32Array<ArrayBuffer>;
      this.#epoch = epoch;
    }
    return this.#order.slice(batch * this.superBatch, (batch + 1) * this.superBatch);
  }
}

/** Copies examples out of a data set: pixels [B, I, I, 3] and tokens [B, T]. */
export function gatherBatch(
  { pictures, tokens, size }: Pick<TokenisedDataset, "pictures" | "tokens" | "size">,
  indices: Uint32Array,
): { pixels: Uint8Array; tokens: Uint32Array } {
  return { pixels: pictures.gather(indices), tokens: pickRows(tokens, tokens.length / size, indices) };
}
