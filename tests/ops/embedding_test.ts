import { permutation, randomWord, Stream } from "../../src/random/philox.ts";
import { embedTokens } from "../../src/ops/embedding.ts";
import { sharesDevice } from "../gpu/device.ts";
import { embedTokens as expected, embedTokensBackward } from "../reference/token_embedding.ts";
import { checkOp } from "./check_op.ts";
import { randomInput } from "./run_graph.ts";

const NOT_SELECTED = 0xffffffff;

/** The token index of a super-batch, with segments of at most `longest` positions. */
function indexOf(tokens: Uint32Array, vocabulary: number, longest: number) {
  const positions: number[] = [], segmentOffsets = [0], tokenSegments = [0];
  for (let token = 0; token < vocabulary; token++) {
    const own = [...tokens.keys()].filter((at) => tokens[at] === token);
    for (let at = 0; at < own.length; at += longest) {
      positions.push(...own.slice(at, at + longest));
      segmentOffsets.push(positions.length);
    }
    tokenSegments.push(segmentOffsets.length - 1);
  }
  const input = (data: number[]) => ({ shape: [data.length], data: Uint32Array.from(data) });
  return {
    positions: input(positions),
    segmentOffsets: input(segmentOffsets),
    tokenSegments: input(tokenSegments),
  };
}

type Case = [superBatch: number, selected: number, length: number, width: number, vocabulary: number];

// The last: almost all positions hold one token, as padding does, so that it has many segments.
const cases: Case[] = [[1, 1, 1, 4, 1], [5, 2, 3, 20, 9], [8, 8, 4, 8, 65], [20, 4, 16, 192, 40], [
  65,
  13,
  7,
  12,
  2,
]];

// Whole sub-batches, and micro-batches of them: the first rows, and those from the middle on.
const parts = cases.flatMap(([superBatch, selected, ...rest]) => {
  const middle = selected >> 1, ends = [[0, selected], ...(middle ? [[0, middle], [middle, selected]] : [])];
  return ends.map(([first, to]) => ({ first, to, shape: [superBatch, selected, ...rest] as const }));
});

for (const { first, to, shape: [superBatch, selected, length, width, vocabulary] } of parts) {
  const name =
    `tokens [${superBatch}, ${length}] of ${vocabulary}, rows ${first} to ${to} of the ${selected} ` +
    `examples selected, width ${width}`;
  Deno.test({ name, ...sharesDevice }, async () => {
    const all = Uint32Array.from(
      { length: superBatch * length },
      (_, at) => randomWord(1, Stream.data, 0, at) % vocabulary,
    );
    const chosen = permutation(2, Stream.data, 0, superBatch).subarray(0, selected);
    const slots = new Uint32Array(superBatch).fill(NOT_SELECTED);
    chosen.forEach((example, slot) => slots[example] = slot);
    const tokens = Uint32Array.from(
      [...chosen.subarray(first, to)].flatMap((b) => [...all.subarray(b * length, (b + 1) * length)]),
    );
    const table = randomInput(1, [vocabulary, width]), position = randomInput(2, [length, width]);
    await checkOp({
      inputs: {
        tokens: { shape: [to - first, length], data: tokens },
        slots: { shape: [superBatch], data: slots },
        table,
        position,
        ...indexOf(all, vocabulary, 8),
      },
      op: (graph, { positions, segmentOffsets, tokenSegments, slots, ...t }) =>
        embedTokens(graph, t.tokens, t.table, t.position, {
          positions,
          segmentOffsets,
          tokenSegments,
          slots,
          firstSlot: first,
        }),
      reference: (dy) => {
        const { dtable, dposition } = embedTokensBackward(tokens, dy, { vocabulary, tokens: length, width });
        return {
          output: { value: expected(tokens, table.data, position.data, width), reduction: 2 },
          gradients: {
            table: { value: dtable, reduction: (to - first) * length },
            position: { value: dposition, reduction: to - first },
          },
        };
      },
    });
  });
}
