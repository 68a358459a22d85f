import { draw as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { seedKey } from "../random/philox.ts";
import type { Drawn, DrawRequest } from "./selection.ts";

/** One draw of a selection. */
export interface Draw {
  /** Its number among the draws of the selection, which the noise depends on; below 65,536. */
  readonly number: number;
  /** Place in the selection of the first example that it draws. */
  readonly first: number;
  /** Examples that it draws. */
  readonly members: number;
  /** Whether it is the first one, when every example is free; by its number when left out. */
  readonly fresh?: boolean;
  /** Takes the highest scores, without noise; false when left out. */
  readonly greedy?: boolean;
}

/** The draws of one selection, which share what is drawn so far. */
export class Draws implements Drawn {
  /** [b] u32 */
  readonly indices: Tensor;
  /** [S] u32 */
  readonly slots: Tensor;
  /** [draws] */
  readonly entropy: Tensor;
  /** [b] */
  readonly drawnBy: Tensor;
  readonly #keys: Tensor;
  readonly #drawn: Tensor;

  /** Allocates what `count` draws share. */
  constructor(private readonly graph: Graph, private readonly request: DrawRequest, count: number) {
    const { superBatch, batch } = request;
    this.indices = graph.temporary("selected indices", [batch], "u32");
    this.slots = graph.temporary("slots", [superBatch], "u32");
    this.entropy = graph.temporary("entropy of the draws", [count]);
    this.drawnBy = graph.temporary("scores drawn by", [batch]);
    this.#keys = graph.temporary("keys", [superBatch], "u32");
    this.#drawn = graph.temporary("drawn", [superBatch], "u32");
  }

  /**
   * Records one draw without replacement, p ∝ exp(cond), from the examples that are still free.
   *
   * @param cond [S]; null draws uniformly
   */
  draw(cond: Tensor | null, { number, first, members, fresh = number === 0, greedy = false }: Draw): void {
    const { superBatch, seed, step } = this.request;
    const [seed_low, seed_high] = seedKey(seed);
    this.graph.dispatch(shader, "draw", {
      params: { count: superBatch, first, members, chunk: number, seed_low, seed_high },
      cond: cond ?? this.graph.nothing,
      step,
      keys: this.#keys,
      drawn: this.#drawn,
      indices: this.indices,
      slots: this.slots,
      entropy: this.entropy,
      drawn_by: this.drawnBy,
    }, { workgroups: [1, 1, 1], constants: { UNIFORM: cond === null, FIRST: fresh, NOISE: !greedy } });
  }
}
