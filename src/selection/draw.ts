import { draw as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { seedKey } from "../random/philox.ts";
import type { SelectionRequest } from "./selection.ts";

/** State that the draws of one selection share. */
export interface DrawState {
  /** [b] u32 */
  readonly indices: Tensor;
  /** [S] u32 */
  readonly slots: Tensor;
  /** [N] */
  readonly entropy: Tensor;
  /** [S] u32 each, scratch. */
  readonly keys: Tensor;
  readonly drawn: Tensor;
}

/** Allocates the state of a selection in `chunks` draws. */
export function drawState(graph: Graph, superBatch: number, batch: number, chunks: number): DrawState {
  return {
    indices: graph.temporary("selected indices", [batch], "u32"),
    slots: graph.temporary("slots", [superBatch], "u32"),
    entropy: graph.temporary("entropy of the draws", [chunks]),
    keys: graph.temporary("keys", [superBatch], "u32"),
    drawn: graph.temporary("drawn", [superBatch], "u32"),
  };
}

/**
 * Records one draw without replacement, p ∝ exp(cond), from the examples that are still free.
 *
 * @param cond [S]; null draws uniformly, from all
 */
export function drawChunk(
  graph: Graph,
  cond: Tensor | null,
  state: DrawState,
  { superBatch, seed, step }: SelectionRequest,
  { chunk, first, members }: { chunk: number; first: number; members: number },
): void {
  const [seed_low, seed_high] = seedKey(seed);
  graph.dispatch(shader, "draw", {
    params: { count: superBatch, first, members, chunk, seed_low, seed_high },
    cond: cond ?? graph.nothing,
    step,
    ...state,
  }, { workgroups: [1, 1, 1], constants: { UNIFORM: cond === null } });
}
