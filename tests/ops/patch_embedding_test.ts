import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { linear } from "../../src/ops/matmul.ts";
import { embedPatches, resizeTokenWeight } from "../../src/ops/patch_embedding.ts";
import { kernelResize, positionResize } from "../../src/ops/resize_matrix.ts";
import { sharesDevice } from "../gpu/device.ts";
import { assertClose } from "../reference/compare.ts";
import { matmul, matmulBackward } from "../reference/matmul.ts";
import { embedPatches as expected, embedPatchesBackward } from "../reference/patch_embedding.ts";
import { gridResize, resizeSquare, resizeSquareBackward } from "../reference/resize.ts";
import { checkOp } from "./check_op.ts";
import { randomInput } from "./run_graph.ts";

/** RGB bytes 0 … 255, packed four to a word. */
function picture(examples: number, size: number): { bytes: Uint8Array; words: Uint32Array } {
  const bytes = new Uint8Array(examples * size * size * 3);
  randomInput(7, [bytes.length], 90).data.forEach((value, at) =>
    bytes[at] = Math.min(255, Math.max(0, value + 128))
  );
  return { bytes, words: new Uint32Array(bytes.buffer) };
}

// Stored and used patch sizes; the stored position grid is that of `storedImage`.
const cases = [
  { image: 8, patch: 4, storedImage: 8, storedPatch: 4, examples: 3, width: 5 },
  { image: 16, patch: 8, storedImage: 16, storedPatch: 8, examples: 2, width: 12 },
  { image: 24, patch: 8, storedImage: 24, storedPatch: 6, examples: 2, width: 8 }, // enlarged
  { image: 24, patch: 4, storedImage: 24, storedPatch: 8, examples: 2, width: 3 }, // shrunk
  { image: 8, patch: 2, storedImage: 24, storedPatch: 3, examples: 1, width: 8 },
  { image: 16, patch: 4, storedImage: 8, storedPatch: 4, examples: 2, width: 4 }, // another grid only
  { image: 64, patch: 16, storedImage: 64, storedPatch: 8, examples: 2, width: 32 },
];

for (const { image, patch, storedImage, storedPatch, examples, width } of cases) {
  const name = `patches of ${patch} from ${image} pixels, stored ${storedPatch} from ${storedImage}`;
  Deno.test({ name, ...sharesDevice }, async () => {
    const { bytes, words } = picture(examples, image), length = patch ** 2 * 3, tokens = (image / patch) ** 2;
    const parameters = {
      kernel: randomInput(1, [storedPatch ** 2 * 3, width]),
      bias: randomInput(2, [width]),
      position: randomInput(3, [(storedImage / storedPatch) ** 2, width]),
    };
    const host = {
      kernel: Float64Array.from(parameters.kernel.data),
      bias: Float64Array.from(parameters.bias.data),
      position: Float64Array.from(parameters.position.data),
    };
    await checkOp({
      inputs: { pixels: { shape: [examples, words.length / examples], data: words }, ...parameters },
      op: (graph, { pixels, kernel, bias, position }) =>
        embedPatches(graph, pixels, { kernel, bias, position }, image, patch),
      reference: (dy) => {
        const { dkernel, dbias, dposition } = embedPatchesBackward(bytes, host, dy, image, patch);
        return {
          output: { value: expected(bytes, host, image, patch), reduction: length + storedPatch ** 2 },
          gradients: {
            kernel: { value: dkernel, reduction: examples * tokens + patch ** 2 },
            bias: { value: dbias, reduction: examples * tokens },
            position: { value: dposition, reduction: examples + tokens },
          },
        };
      },
    });
  });
}

const clip = { mean: [0.48, 0.45, 0.4], std: [0.27, 0.26, 0.28] } as const;
for (const [image, patch] of [[8, 4], [6, 3], [6, 2]]) {
  const name = `patches of ${patch} from ${image} pixels, each channel normalised by itself, without a bias`;
  Deno.test({ name, ...sharesDevice }, async () => {
    const { bytes, words } = picture(2, image), tokens = (image / patch) ** 2, width = 8;
    const kernel = randomInput(1, [patch ** 2 * 3, width]), position = randomInput(3, [tokens, width]);
    const host = {
      kernel: Float64Array.from(kernel.data),
      bias: new Float64Array(width),
      position: Float64Array.from(position.data),
    };
    await checkOp({
      inputs: { pixels: { shape: [2, words.length / 2], data: words }, kernel, position },
      op: (graph, t) =>
        embedPatches(
          graph,
          t.pixels,
          { kernel: t.kernel, bias: null, position: t.position },
          image,
          patch,
          clip,
        ),
      reference: (dy) => {
        const { dkernel, dposition } = embedPatchesBackward(bytes, host, dy, image, patch, clip);
        return {
          output: { value: expected(bytes, host, image, patch, clip), reduction: patch ** 2 * 3, scale: 8 },
          gradients: {
            kernel: { value: dkernel, reduction: 2 * tokens, scale: 8 },
            position: { value: dposition, reduction: 2 },
          },
        };
      },
    });
  });
}

Deno.test("the resize matrices give what NumPy's pinv and PyTorch's interpolate give", async () => {
  type Resize = { from: number; to: number; input: number[]; output: number[] };
  const path = new URL("../fixtures/pi_resize.json", import.meta.url);
  const fixture: { kernel: Resize[]; grid: Resize[] } = JSON.parse(await Deno.readTextFile(path));
  assert.ok(fixture.kernel.length > 0 && fixture.grid.length > 0);
  for (const [kind, resize] of [["kernel", kernelResize], ["grid", positionResize]] as const) {
    for (const { from, to, input, output } of fixture[kind]) {
      const { rows, columns, data } = resize(from, to);
      assert.deepEqual([rows, columns], [to ** 2, from ** 2]);
      const product = matmul("NN", data, input, { m: rows, n: input.length / columns, k: columns });
      assertClose(product, output, { name: `${kind} ${from} → ${to}`, reduction: columns });
    }
  }
});

Deno.test("a kernel resized to its own size stays, and enlarged patches keep their products", () => {
  const same = kernelResize(5, 5);
  same.data.forEach((value, at) => assert.ok(Math.abs(value - Number(at % 26 === 0)) < 1e-6));
  // ⟨R x, P w⟩ = ⟨x, w⟩ means Rᵀ P = 1 when patches are enlarged; summed over a constant patch, rows of R sum to 1.
  const { rows, columns, data } = kernelResize(4, 8);
  for (let column = 0; column < columns; column++) {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += data[row * columns + column];
    assert.ok(Math.abs(sum - 1) < 1e-5, `column ${column} sums to ${sum}`);
  }
});

Deno.test("a resized position grid of equal rows stays equal", () => {
  for (const [from, to] of [[4, 8], [8, 4], [7, 5], [5, 5]]) {
    const { rows, columns, data } = positionResize(from, to);
    for (let row = 0; row < rows; row++) {
      const sum = data.subarray(row * columns, (row + 1) * columns).reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(sum - 1) < 1e-6, `${from} → ${to}: row ${row} sums to ${sum}`);
    }
  }
});

Deno.test("a patch size that does not divide the picture is refused", () => {
  const graph = new Graph(), tensor = graph.temporary("t", [1, 3]);
  const parameters = { kernel: tensor, bias: tensor, position: tensor };
  assert.throws(() => embedPatches(graph, tensor, parameters, 10, 4), {
    name: "RangeError",
    message: /10 pixels into patches of 4/,
  });
});

for (const [stored, side, width, embedding] of [[4, 2, 8, 12], [2, 4, 4, 8], [3, 2, 4, 4], [3, 3, 4, 8]]) {
  const name =
    `a head over ${stored}² flattened tokens reads ${side}² as if they were spread over its places`;
  Deno.test({ name, ...sharesDevice }, async () => {
    const examples = 3, x = randomInput(1, [examples, side * side * width]);
    const weight = randomInput(2, [stored * stored * width, embedding]), bias = randomInput(3, [embedding]);
    // The tokens of each example, interpolated: [side, side, D] → [stored, stored, D].
    const spread = gridResize(side, stored), rows = stored * stored * width;
    const spreadTokens = (data: ArrayLike<number>) =>
      Float64Array.from(
        Array.from({ length: examples }, (_, example) => {
          const tokens = Array.from(data).slice(
            example * side * side * width,
            (example + 1) * side * side * width,
          );
          return [...resizeSquare(spread, tokens)];
        }).flat(),
      );
    const host = Float64Array.from(weight.data), wide = spreadTokens(x.data);
    const reduction = rows + side * side, size = { m: examples, n: embedding, k: rows };
    await checkOp({
      inputs: { x, weight, bias },
      op: (graph, t) => linear(graph, t.x, resizeTokenWeight(graph, t.weight, stored, side), t.bias),
      reference: (dy) => {
        const { da: dwide, db: dweight } = matmulBackward("NN", wide, host, dy, size);
        const dx = Array.from(
          { length: examples },
          (
            _,
            example,
          ) => [...resizeSquareBackward(spread, dwide.subarray(example * rows, (example + 1) * rows))],
        );
        return {
          output: {
            value: matmul("NN", wide, host, size).map((sum, at) => sum + bias.data[at % embedding]),
            reduction,
          },
          gradients: {
            x: { value: Float64Array.from(dx.flat()), reduction: embedding + reduction },
            weight: { value: dweight, reduction },
            bias: {
              value: Float64Array.from(
                { length: embedding },
                (_, e) => dy[e] + dy[embedding + e] + dy[2 * embedding + e],
              ),
              reduction: examples,
            },
          },
        };
      },
    });
  });
}
