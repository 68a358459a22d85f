import assert from "node:assert/strict";
import { expectShape, Tensor, TensorStorage } from "../../src/graph/tensor.ts";

const make = (...shape: number[]) =>
  new Tensor(new TensorStorage("x", shape.reduce((a, b) => a * b, 4)), shape, "f32", 0, true);

Deno.test("a tensor knows its size", () => {
  const x = make(2, 3, 4);
  assert.deepEqual([x.size, x.sizeBytes, x.label], [24, 96, "x"]);
});

Deno.test("every length must be a whole number of 1 or more", () => {
  for (const length of [0, -1, 1.5, NaN]) {
    assert.throws(() => make(2, length), { name: "RangeError", message: /"x" of shape \[2,/ });
  }
});

Deno.test("a reshape shares its memory and keeps its size", () => {
  const x = make(2, 6), view = x.reshape(3, 4);
  assert.equal(view.storage, x.storage);
  assert.deepEqual(view.shape, [3, 4]);
  assert.equal(
    view.differentiable,
    false,
    "a plain view is not on the tape: a gradient would get lost silently",
  );
  assert.throws(() => x.reshape(5), { name: "TypeError", message: /"x" from \[2,6\] to \[5\]/ });
});

Deno.test("rows are views, also of views, that start on the 256-byte grid", () => {
  const x = make(8, 32), view = x.rows(2, 8).rows(2, 4); // a row takes 128 bytes
  assert.deepEqual([view.storage, view.offsetBytes, [...view.shape]], [x.storage, 512, [2, 32]]);
  assert.throws(() => x.rows(1, 2), { name: "RangeError", message: /from 1.*byte 128.*multiple of 256/ });
  for (const [from, to] of [[-2, 2], [0, 9], [2, 2], [4, 2]]) {
    assert.throws(() => x.rows(from, to), { name: "RangeError", message: /"x", which has 8/ });
  }
});

Deno.test("a tensor of another shape is refused with both shapes and its role", () => {
  expectShape(make(2, 3), [2, 3], "bias");
  for (const shape of [[3, 2], [2], [2, 3, 1]]) {
    assert.throws(() => expectShape(make(2, 3), shape, "bias"), {
      name: "TypeError",
      message: new RegExp(`"x" as bias: its shape is \\[2,3\\], expected \\[${shape}\\]`),
    });
  }
});
