/**
 * Patch dropping (FLIP, arXiv:2212.00794): an image tower that sees a random share of each picture's patches, the
 * alternative to coarser patches when a picture is to cost less.
 *
 * @module
 */

import { linearGrid } from "../gpu/recorder.ts";
import { patchDropping as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { seedKey } from "../random/philox.ts";
import { gatherRows } from "./gather.ts";

const WORKGROUP = 64;

/** Which patches are kept is drawn anew for every picture, step and pass. */
export interface PatchDropping {
  /** Share of the patches that are kept, above 0. */
  readonly keep: number;
  readonly seed: number;
  /** [0] u32: number of the step. */
  readonly step: Tensor;
  /** Tells apart the passes of one step. */
  readonly pass: number;
  /** Number of the first picture, where the pictures at hand are a part of a larger batch. */
  readonly first: number;
}

/** The patches that were kept, and where they came from. */
export interface KeptPatches {
  /** Patches of a picture, N. */
  readonly tokens: number;
  /** [B·K] u32: rows of [B·N, …]. */
  readonly kept: Tensor;
  /** [B·N] u32: places in `kept`, 0xffffffff for those that are dropped. */
  readonly slots: Tensor;
}

/** How many of so many patches are kept: at least one. */
export function keptCount(tokens: number, keep: number): number {
  return Math.max(1, Math.round(tokens * keep));
}

/** Draws which patches of `pictures` pictures of N `tokens` are kept. */
export function choosePatches(
  graph: Graph,
  pictures: number,
  tokens: number,
  { keep, seed, step, pass, first }: PatchDropping,
): KeptPatches {
  const count = keptCount(tokens, keep), [seed_low, seed_high] = seedKey(seed);
  const kept = graph.temporary("kept patches", [pictures * count], "u32");
  const slots = graph.temporary("slots of patches", [pictures * tokens], "u32");
  graph.dispatch(shader, "choose", {
    params: { size: 0, width: 0, first, pass_number: pass, seed_low, seed_high },
    step,
    kept,
    slots_out: slots,
  }, { workgroups: linearGrid(pictures, 1), constants: { TOKENS: tokens, KEPT: count, WORKGROUP } });
  return { tokens, kept, slots };
}

/**
 * The kept rows, with the gradient.
 *
 * @param x [B·N, D], D a multiple of 4
 * @returns [B·K, D]
 */
export function keepPatches(graph: Graph, x: Tensor, patches: KeptPatches): Tensor {
  const y = gatherRows(graph, x, patches.kept);
  return graph.differentiate(y, [x], (dy) => {
    graph.contribute(x, (addend) => spread(graph, dy, patches, addend, `d ${x.label}`));
  });
}

/**
 * The kept rows back at their places, zero at the others, with the gradient.
 *
 * @param x [B·K, D], D a multiple of 4; in either precision
 * @returns [B·N, D]
 */
export function restorePatches(graph: Graph, x: Tensor, patches: KeptPatches): Tensor {
  const y = spread(graph, x, patches, null, `restored ${x.label}`);
  return graph.differentiate(y, [x], (dy) => graph.passBack(x, gatherRows(graph, dy, patches.kept)));
}

function spread(
  graph: Graph,
  x: Tensor,
  { slots }: KeptPatches,
  addend: Tensor | null,
  label: string,
): Tensor {
  const width = x.shape[1] / 4, y = graph.temporary(label, [slots.size, x.shape[1]], x.dtype);
  graph.dispatch(shader, "spread", {
    params: { size: y.size / 4, width, first: 0, pass_number: 0, seed_low: 0, seed_high: 0 },
    x,
    slots,
    addend: addend ?? graph.nothing,
    y,
  }, {
    workgroups: linearGrid(y.size / 4, WORKGROUP),
    constants: { ACCUMULATE: addend !== null, WORKGROUP },
  });
  return y;
}
