import { linearGrid } from "../gpu/recorder.ts";
import { embedding as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { expectShape, type Tensor } from "../graph/tensor.ts";
import { broadcastBack } from "./matmul.ts";

const WORKGROUP = 64;

/** Where each token of a super-batch occurs, sorted by token: what the table's gradient is gathered from. */
export interface TokenIndex {
  /** [S·T] u32: positions b·T + t, sorted by token. */
  readonly positions: Tensor;
  /** [segments + 1] u32: where each segment starts in `positions`. */
  readonly segmentOffsets: Tensor;
  /** [V + 1] u32: where each token's segments start. */
  readonly tokenSegments: Tensor;
  /** [S] u32: row of each super-batch example in the batch that is trained, or 0xffffffff. */
  readonly slots: Tensor;
  /** Row of that batch which is row 0 of the tokens at hand, when these are a part of it; 0 when left out. */
  readonly firstSlot?: number;
}

/**
 * Token plus position embedding, with deterministic gradients.
 *
 * @param tokens [B, T] u32
 * @param table [V, D], D a multiple of 4
 * @param position [T, D]
 * @param index where the tokens occur; null when no gradient is wanted
 * @returns [B·T, D]
 * @throws TypeError when D is no multiple of 4, or the position embedding is not [T, D]
 */
export function embedTokens(
  graph: Graph,
  tokens: Tensor,
  table: Tensor,
  position: Tensor,
  index: TokenIndex | null,
): Tensor {
  const [batch, length] = tokens.shape;
  const [vocabulary, width] = table.shape;
  expectShape(position, [length, width], "position embedding");
  if (width % 4 !== 0) {
    throw new TypeError(
      `Cannot embed tokens in ${width} columns ("${table.label}"): it must be a multiple of 4`,
    );
  }
  const y = graph.temporary("embedded tokens", [batch * length, width]);
  const first_slot = index?.firstSlot ?? 0;
  const params = { tokens: length, width: width / 4, vocabulary, first_slot, examples: batch };
  graph.dispatch(shader, "forward", { params: { ...params, size: y.size / 4 }, tokens, table, position, y }, {
    workgroups: linearGrid(y.size / 4, WORKGROUP),
    constants: { WORKGROUP },
    // Of the table at most one row a token.
    bytes: tokens.sizeBytes + position.sizeBytes + y.sizeBytes + Math.min(table.sizeBytes, y.sizeBytes),
  });
  if (!index) return y;
  const { positions, segmentOffsets, tokenSegments, slots } = index;
  return graph.differentiate(y, [table, position], (dy) => {
    broadcastBack(graph, position, dy);
    const sums = graph.temporary("token segments", [segmentOffsets.size - 1, width]);
    graph.dispatch(shader, "backward_segment", {
      params: { ...params, size: sums.size / 4 },
      positions,
      segment_offsets: segmentOffsets,
      slots,
      dy,
      segment_sums: sums,
    }, { workgroups: linearGrid(sums.size / 4, WORKGROUP), constants: { WORKGROUP } });
    graph.contribute(table, (addend) => {
      const dtable = graph.temporary(`d ${table.label}`, table.shape);
      graph.dispatch(shader, "backward_table", {
        params: { ...params, size: dtable.size / 4 },
        sums,
        token_segments: tokenSegments,
        addend: addend ?? graph.nothing,
        dtable,
      }, {
        workgroups: linearGrid(dtable.size / 4, WORKGROUP),
        constants: { WORKGROUP, ACCUMULATE: addend !== null },
      });
      return dtable;
    });
  });
}
