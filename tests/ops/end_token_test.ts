import assert from "node:assert/strict";
import { endRows } from "../../src/ops/end_token.ts";
import { sharesDevice } from "../gpu/device.ts";
import { runOp } from "./run_graph.ts";

const captions = [
  [5, 9, 2, 1, 1, 1],
  [1, 9, 9, 9, 9, 9],
  [9, 3, 4, 5, 6, 1],
  [3, 4, 5, 6, 7, 8], // without the end token
  [0, 0, 0, 0, 0, 0],
];
const tokens = { shape: [captions.length, 6], data: Uint32Array.from(captions.flat()) };

for (
  const [end, places] of [[1, [3, 0, 5, 0, 0]], [0, [0, 0, 0, 0, 0]], ["highest", [1, 1, 0, 5, 0]]] as const
) {
  Deno.test({ name: `captions end at the token ${end}`, ...sharesDevice }, async () => {
    const { output } = await runOp({ tokens }, (graph, t) => endRows(graph, t.tokens, end));
    const rows = new Uint32Array(output.buffer, output.byteOffset, captions.length);
    assert.deepEqual([...rows], places.map((place, caption) => caption * 6 + place));
  });
}

Deno.test({ name: "more captions than a workgroup has lanes", ...sharesDevice }, async () => {
  const count = 131, data = Uint32Array.from({ length: count * 3 }, (_, at) => at % 3 === 1 ? 7 : 2);
  const { output } = await runOp(
    { tokens: { shape: [count, 3], data } },
    (graph, t) => endRows(graph, t.tokens, 7),
  );
  const rows = new Uint32Array(output.buffer, output.byteOffset, count);
  assert.deepEqual([...rows], Array.from({ length: count }, (_, caption) => caption * 3 + 1));
});
