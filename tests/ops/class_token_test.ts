import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { prependToken } from "../../src/ops/class_token.ts";
import { sharesDevice } from "../gpu/device.ts";
import { checkOp } from "./check_op.ts";
import { randomInput } from "./run_graph.ts";

for (const [examples, patches, width] of [[1, 1, 4], [3, 5, 12], [65, 3, 8], [2, 49, 192]]) {
  const name = `a token before each of ${examples} × ${patches} rows of ${width}`;
  Deno.test({ name, ...sharesDevice }, async () => {
    const x = randomInput(1, [examples * patches, width]), token = randomInput(2, [1, width]);
    const rows = Array.from({ length: examples * (patches + 1) }, (_, row) => {
      const example = Math.floor(row / (patches + 1)), place = row % (patches + 1) - 1;
      return { example, place, at: (example * patches + place) * width };
    });
    const y = rows.flatMap(({ place, at }) => [
      ...place < 0 ? token.data : x.data.subarray(at, at + width),
    ]);
    await checkOp({
      inputs: { x, token },
      op: (graph, t) => prependToken(graph, t.x, t.token, examples),
      reference: (dy) => {
        const dx = new Float64Array(x.data.length), dtoken = new Float64Array(width);
        rows.forEach(({ place, at }, row) => {
          for (let d = 0; d < width; d++) {
            if (place < 0) dtoken[d] += dy[row * width + d];
            else dx[at + d] = dy[row * width + d];
          }
        });
        return {
          output: { value: y, reduction: 1 },
          gradients: {
            x: { value: dx, reduction: 1 },
            token: { value: dtoken, reduction: examples, scale: 4 },
          },
        };
      },
    });
  });
}

Deno.test("a token of another width is refused", () => {
  const graph = new Graph();
  assert.throws(
    () => prependToken(graph, graph.temporary("x", [4, 8]), graph.temporary("token", [1, 4]), 2),
    {
      name: "TypeError",
      message: /\[1,4\].*expected \[1,8\]/,
    },
  );
});
