import assert from "node:assert/strict";
import {
  chosenTokens,
  copyInto,
  firstTokens,
  gatherRows,
  lastTokens,
  mergeRows,
  takeRows,
} from "../../src/ops/gather.ts";
import { sharesDevice } from "../gpu/device.ts";
import { lastToken, lastTokenBackward } from "../reference/last_token.ts";
import { checkOp } from "./check_op.ts";
import { randomInput, runOp } from "./run_graph.ts";

const bits = (data: Float32Array | Uint32Array) => new Uint32Array(data.buffer, data.byteOffset, data.length);

for (const shape of [[1, 1], [3, 5], [65, 3, 3], [70, 64], [9, 300]]) {
  Deno.test({ name: `gathered rows of [${shape}], words of both types`, ...sharesDevice }, async () => {
    const width = shape.slice(1).reduce((a, b) => a * b), [rows] = shape;
    const indices = { shape: [4], data: Uint32Array.of(rows - 1, 0, rows >> 1, 0) };
    const numbers = randomInput(1, shape);
    // Words as tokens and pixels have them, all bits used.
    for (const x of [numbers, { shape, data: bits(numbers.data).map((word) => word ^ 0xffff0000) }]) {
      const { output } = await runOp({ x, indices }, (graph, t) => gatherRows(graph, t.x, t.indices));
      const expected = [...indices.data].flatMap((
        row,
      ) => [...bits(x.data).subarray(row * width, (row + 1) * width)]);
      assert.deepEqual([...bits(output)], expected);
    }
  });
}

Deno.test({ name: "a copy has the same bits", ...sharesDevice }, async () => {
  const x = randomInput(1, [65, 3]);
  const { output } = await runOp({ x }, (graph, t) => {
    const y = graph.temporary("copy", [3, 65]);
    copyInto(graph, t.x, y);
    return y;
  });
  assert.deepEqual(output, x.data);
});

for (const [from, to] of [[0, 3], [16, 20], [5, 6], [19, 65]]) {
  Deno.test(
    { name: `rows ${from} to ${to} are taken, on the grid of bindings or off it`, ...sharesDevice },
    async () => {
      const x = randomInput(1, [65, 2, 2]);
      const { output } = await runOp({ x }, (graph, t) => {
        const rows = takeRows(graph, t.x, from, to), y = graph.temporary("copy", rows.shape);
        assert.equal(graph.dispatches.length, from % 16 === 0 ? 0 : 1, "only off the grid they are copied");
        copyInto(graph, rows, y);
        return y;
      });
      assert.deepEqual(output, x.data.subarray(from * 4, to * 4));
    },
  );
}

for (
  const [places, width] of [
    [[[0], [1]], 1],
    [[[0, 2, 4], [1, 3]], 5],
    [[[6, 1, 2, 0], [5, 3, 4]], 64],
  ] as [[number[], number[]], number][]
) {
  Deno.test(
    { name: `rows ${JSON.stringify(places)} of width ${width} are merged`, ...sharesDevice },
    async () => {
      const parts = places.map(({ length }, at) => randomInput(at + 1, [length, width]));
      const merge = (all: readonly ArrayLike<number>[]) => {
        const y = new Float64Array(places.flat().length * width);
        places.forEach((rows, part) =>
          rows.forEach((place, row) => {
            for (let d = 0; d < width; d++) y[place * width + d] = all[part][row * width + d];
          })
        );
        return y;
      };
      const taken = (dy: ArrayLike<number>, part: number) =>
        Float64Array.from(
          places[part].flatMap((place) => Array.from({ length: width }, (_, d) => dy[place * width + d])),
        );
      await checkOp({
        inputs: { a: parts[0], b: parts[1] },
        op: (graph, { a, b }) => mergeRows(graph, [a, b], places),
        reference: (dy) => ({
          output: { value: merge(parts.map(({ data }) => data)), reduction: 1 },
          gradients: {
            a: { value: taken(dy, 0), reduction: 1 },
            b: { value: taken(dy, 1), reduction: 1 },
          },
        }),
      });
    },
  );
}

for (const [batch, tokens, width] of [[1, 1, 1], [3, 5, 7], [65, 3, 4], [8, 16, 192]]) {
  const places = Array.from({ length: batch }, (_, b) => b * 7 % tokens);
  const taken = (x: ArrayLike<number>, place: (b: number) => number) =>
    Float64Array.from(
      { length: batch * width },
      (_, at) => x[(Math.floor(at / width) * tokens + place(Math.floor(at / width))) * width + at % width],
    );
  const spread = (dy: ArrayLike<number>, place: (b: number) => number) => {
    const dx = new Float64Array(batch * tokens * width);
    Array.from(dy).forEach((value, at) => {
      const b = Math.floor(at / width);
      dx[(b * tokens + place(b)) * width + at % width] = value;
    });
    return dx;
  };
  Deno.test({ name: `first token of [${batch}, ${tokens}, ${width}]`, ...sharesDevice }, async () => {
    const x = randomInput(1, [batch * tokens, width]);
    await checkOp({
      inputs: { x },
      op: (graph, t) => firstTokens(graph, t.x, tokens),
      reference: (dy) => ({
        output: { value: taken(x.data, () => 0), reduction: 1 },
        gradients: { x: { value: spread(dy, () => 0), reduction: 1 } },
      }),
    });
  });

  Deno.test({ name: `one token each of [${batch}, ${tokens}, ${width}]`, ...sharesDevice }, async () => {
    const x = randomInput(1, [batch * tokens, width]);
    const rows = { shape: [batch], data: Uint32Array.from(places, (place, b) => b * tokens + place) };
    await checkOp({
      inputs: { x, rows },
      op: (graph, t) => chosenTokens(graph, t.x, t.rows),
      reference: (dy) => ({
        output: { value: taken(x.data, (b) => places[b]), reduction: 1 },
        gradients: { x: { value: spread(dy, (b) => places[b]), reduction: 1 } },
      }),
    });
  });

  Deno.test({ name: `last token of [${batch}, ${tokens}, ${width}]`, ...sharesDevice }, async () => {
    const x = randomInput(1, [batch * tokens, width]);
    await checkOp({
      inputs: { x },
      op: (graph, t) => lastTokens(graph, t.x, tokens),
      reference: (dy) => ({
        output: { value: lastToken(x.data, tokens, width), reduction: 1 },
        gradients: { x: { value: lastTokenBackward(dy, tokens, width), reduction: 1 } },
      }),
    });
  });
}
