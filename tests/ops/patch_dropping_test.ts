import assert from "node:assert/strict";
import { choosePatches, keepPatches, keptCount, restorePatches } from "../../src/ops/patch_dropping.ts";
import { copyInto } from "../../src/ops/gather.ts";
import { randomWord, Stream } from "../../src/random/philox.ts";
import { sharesDevice } from "../gpu/device.ts";
import { checkOp } from "./check_op.ts";
import { randomInput, runOp } from "./run_graph.ts";

const SEED = 2 ** 33 + 5, STEP = 7, FIRST = 3;
const draws = { seed: SEED, pass: 0, first: FIRST };
const step = { shape: [4], data: Uint32Array.of(STEP, 0, 0, 0) };

/** Rows of [pictures · tokens, …] that are kept, by the definition: each picture's lowest keys, in their order. */
function expectedRows(pictures: number, tokens: number, keep: number): number[] {
  return Array.from({ length: pictures }, (_, picture) => {
    const key = (token: number) => randomWord(SEED, Stream.drop, STEP, (FIRST + picture) * tokens + token);
    return Array.from({ length: tokens }, (_, token) => token)
      .toSorted((a, b) => key(a) - key(b) || a - b)
      .slice(0, keptCount(tokens, keep))
      .map((token) => picture * tokens + token);
  }).flat();
}

Deno.test("at least one patch is kept", () => {
  assert.deepEqual([keptCount(4, 0.5), keptCount(4, 0.01), keptCount(256, 0.28), keptCount(9, 1)], [
    2,
    1,
    72,
    9,
  ]);
});

for (
  const [pictures, tokens, keep] of [[1, 4, 0.5], [5, 9, 0.3], [3, 256, 0.28], [66, 1, 1], [2, 65, 0.99]]
) {
  const name = `of ${tokens} patches of ${pictures} pictures a share of ${keep} is kept`;
  Deno.test({ name, ...sharesDevice }, async () => {
    const rows = expectedRows(pictures, tokens, keep);
    const { output } = await runOp({ step }, (graph, t) => {
      const { kept } = choosePatches(graph, pictures, tokens, { ...draws, keep, step: t.step });
      const copy = graph.temporary("copy", kept.shape, "u32");
      copyInto(graph, kept, copy);
      return copy;
    });
    assert.deepEqual([...new Uint32Array(output.buffer, output.byteOffset, output.length)], rows);
  });

  Deno.test({ name: `${name}: rows and gradients`, ...sharesDevice }, async () => {
    const width = 4, rows = expectedRows(pictures, tokens, keep), size = pictures * tokens * width;
    const x = randomInput(1, [pictures * tokens, width]);
    const taken = (all: ArrayLike<number>) =>
      Float64Array.from(rows.flatMap((row) => [0, 1, 2, 3].map((d) => all[row * width + d])));
    const spread = (part: ArrayLike<number>) => {
      const all = new Float64Array(size);
      rows.forEach((row, at) => [0, 1, 2, 3].forEach((d) => all[row * width + d] = part[at * width + d]));
      return all;
    };
    const inputs = { x, step };
    await checkOp({
      inputs,
      op: (graph, t) =>
        keepPatches(graph, t.x, choosePatches(graph, pictures, tokens, { ...draws, keep, step: t.step })),
      reference: (dy) => ({
        output: { value: taken(x.data), reduction: 1 },
        gradients: { x: { value: spread(dy), reduction: 1 } },
      }),
    });
    await checkOp({
      inputs,
      op: (graph, t) => {
        const patches = choosePatches(graph, pictures, tokens, { ...draws, keep, step: t.step });
        return restorePatches(graph, keepPatches(graph, t.x, patches), patches);
      },
      reference: (dy) => ({
        output: { value: spread(taken(x.data)), reduction: 1 },
        gradients: { x: { value: spread(taken(dy)), reduction: 1 } },
      }),
    });
  });
}
