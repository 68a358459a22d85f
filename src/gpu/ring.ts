/**
 * A buffer of rows that a program writes one a step and the host reads many at a time.
 *
 * @module
 */

import type { BufferRange } from "./device.ts";
import { allocate, type Memory } from "./memory.ts";

/** A ring of rows of 32-bit words on the GPU. */
export class Ring implements Disposable {
  /** All rows, for binding. */
  readonly range: BufferRange;
  readonly #memory: Memory;

  /**
   * @param capacity rows before the first is written over
   * @param width words of a row
   */
  constructor(memory: Memory, label: string, readonly capacity: number, readonly width: number) {
    this.#memory = memory;
    this.range = allocate(memory, label, capacity * width * 4);
  }

  /**
   * Reads the rows of entries `from` … `to` − 1 (counted from 0 over the whole run), oldest first. Waits for the GPU.
   *
   * @returns the words of each row
   * @throws RangeError when some were written over already
   */
  async read(from: number, to: number): Promise<ArrayBuffer[]> {
    if (to - from > this.capacity) {
      throw new RangeError(`Cannot read ${to - from} rows of a ring of ${this.capacity}: read more often`);
    }
    if (to === from) return [];
    const rowBytes = this.width * 4;
    const all = await this.#memory.read(this.range.buffer, 0, this.capacity * rowBytes);
    return Array.from({ length: to - from }, (_, i) => {
      const row = (from + i) % this.capacity;
      return all.slice(row * rowBytes, (row + 1) * rowBytes);
    });
  }

  /** Frees the buffer. */
  [Symbol.dispose](): void {
    this.#memory.destroyBuffer(this.range.buffer);
  }
}
