/**
 * Taking rows of a forward pass that has been made, in place of making it again for some of its examples.
 *
 * @module
 */

import type { Dispatch, Graph } from "../graph/graph.ts";
import { elementBytes, Tensor } from "../graph/tensor.ts";
import { gatherInto } from "./gather.ts";

/** What a forward pass wrote, by the kernel and the name of the tensor, in order. */
export interface ForwardPass {
  /** Examples that it went over, S. */
  readonly examples: number;
  readonly written: ReadonlyMap<string, readonly Tensor[]>;
}

/**
 * Records a forward pass with all that a reverse walk would read, although none goes back through this one.
 *
 * @param examples that it goes over, S
 * @returns what `build` returned, and what {@link recall} takes rows from
 */
export function remember<T>(graph: Graph, examples: number, build: () => T): [result: T, pass: ForwardPass] {
  const written = new Map<string, Tensor[]>();
  const note = (dispatch: Dispatch) => {
    for (const [key, tensor] of outputs(dispatch)) {
      written.set(key, [...written.get(key) ?? [], tensor]);
    }
    return false;
  };
  const result = graph.intercept(note, () => graph.withoutReverse(build));
  return [result, { examples, written }];
}

/**
 * Records the same forward pass over some of the examples: what depends on these is taken from the pass that was made, the
 * rest (what was made of parameters alone, whole numbers such as places in the batch) computed as ever. Gradients flow as if
 * all had been computed.
 *
 * @param indices [b] u32: which of the pass's examples
 * @param build records the pass over the b examples, by the same ops in the same order
 */
export function recall<T>(
  graph: Graph,
  { examples, written }: ForwardPass,
  indices: Tensor,
  build: () => T,
): T {
  // Of all examples no row could be told from what was made of parameters.
  if (indices.size === examples) return build();
  const taken = new Map<string, number>();
  const instead = (dispatch: Dispatch) => {
    const found = [...outputs(dispatch)].map(([key, tensor]) => {
      const at = taken.get(key) ?? 0;
      taken.set(key, at + 1);
      return { tensor, source: written.get(key)?.[at] };
    });
    const rows = found.filter(({ tensor, source }) =>
      source && tensor.dtype !== "u32" && source.size * indices.size === tensor.size * examples
    );
    if (rows.length === 0 || rows.length < found.length) return false;
    for (const { tensor, source } of rows) {
      takeRowsOf(graph, source!, examples, indices, tensor);
      graph.spare(tensor);
    }
    return true;
  };
  return graph.intercept(instead, build);
}

/** What a dispatch writes and something may read, by what tells it from all else that a pass writes. */
function* outputs({ shader, entry, writes }: Dispatch): Iterable<[key: string, tensor: Tensor]> {
  for (const [binding, tensor] of Object.entries(writes)) {
    if (tensor.label !== "unused") yield [`${shader.name}.${entry} ${binding} ${tensor.label}`, tensor];
  }
}

/** Gathers the rows of whole words that belong to an example each, whatever the type and the shape. */
function takeRowsOf(graph: Graph, x: Tensor, examples: number, indices: Tensor, y: Tensor): void {
  const words = ({ storage, size, dtype, offsetBytes, label }: Tensor, rows: number) =>
    new Tensor(storage, [rows, size * elementBytes(dtype) / 4 / rows], "u32", offsetBytes, false, label);
  gatherInto(graph, words(x, examples), indices, words(y, indices.size));
}
