/** The reverse walk, by the dispatches that it records: no GPU is needed. */
import assert from "node:assert/strict";
import { add, gelu as geluShader } from "../../src/gpu/shaders.gen.ts";
import { Graph } from "../../src/graph/graph.ts";
import { planMemory } from "../../src/graph/memory_plan.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { gelu } from "../../src/ops/gelu.ts";
import { linear } from "../../src/ops/matmul.ts";

const external = (graph: Graph, label: string, shape: number[], differentiable = true): Tensor => {
  const range = { buffer: {} as GPUBuffer, offsetBytes: 0, sizeBytes: shape.reduce((a, b) => a * b, 4) };
  return graph.external(label, shape, range, { differentiable });
};
const names = (graph: Graph) => graph.dispatches.map(({ shader, entry }) => `${shader.name}.${entry}`);

Deno.test("the walk runs the tape backwards, each op once with its whole gradient", () => {
  const graph = new Graph(), x = external(graph, "x", [5]);
  const y = gelu(graph, x);
  const outputs = [gelu(graph, y), gelu(graph, y)], seed = external(graph, "seed", [5], false);
  graph.backward(outputs.map((output) => [output, seed]));
  assert.deepEqual(names(graph).slice(3), ["gelu.backward", "gelu.backward", "gelu.backward"]);
  const [later, earlier, first] = graph.dispatches.slice(3);
  assert.equal(later.constants.ACCUMULATE, false);
  assert.equal(earlier.constants.ACCUMULATE, true);
  assert.equal(earlier.reads.addend.storage, later.writes.dx.storage);
  assert.equal(first.reads.dy.storage, earlier.writes.dx.storage);
  assert.equal(graph.gradient(x)?.storage, first.writes.dx.storage);
});

Deno.test("a gradient that is there already is passed on without a dispatch, and added when it is the second", () => {
  const graph = new Graph(), x = external(graph, "x", [4, 4]), seed = external(graph, "seed", [4, 4], false);
  const weight = external(graph, "weight", [4, 4], false), bias = external(graph, "bias", [4], false);
  const residual = linear(graph, x, weight, bias, x);
  graph.backward([[residual, seed]]);
  // d x = d y · Wᵀ, then + d y of the residual.
  assert.deepEqual(names(graph).slice(1), ["matmul_tiled.forward", "add.forward"]);
  assert.equal(graph.dispatches[2].reads.b.storage, seed.storage);

  const alone = new Graph(), r = external(alone, "r", [4, 4]), s = external(alone, "seed", [4, 4], false);
  const input = external(alone, "x", [4, 4], false);
  alone.backward([[linear(alone, input, weight, bias, r), s]]);
  assert.equal(alone.dispatches.length, 1);
  assert.equal(alone.gradient(r)?.storage, s.storage);
});

Deno.test("gradients pass through a reshape in the input's shape", () => {
  const graph = new Graph(), x = external(graph, "x", [2, 6]), seed = external(graph, "seed", [3, 4], false);
  graph.backward([[gelu(graph, graph.reshape(x, 3, 4)), seed]]);
  assert.deepEqual(graph.gradient(x)?.shape, [2, 6]);
});

Deno.test("nothing flows to what is not differentiable, is not reached, or was recorded without gradient", () => {
  const graph = new Graph(), seed = external(graph, "seed", [3], false);
  const frozen = external(graph, "frozen", [3], false), unused = external(graph, "unused", [3]);
  const hidden = external(graph, "hidden", [3]);
  const outputs = [gelu(graph, frozen), graph.withoutGradient(() => gelu(graph, hidden))];
  gelu(graph, unused);
  const before = graph.dispatches.length;
  graph.backward(outputs.map((output) => [output, seed]));
  assert.equal(graph.dispatches.length, before);
  for (const tensor of [frozen, unused, hidden]) assert.equal(graph.gradient(tensor), undefined);
  assert.equal(outputs[1].differentiable, false);
});

/** Three parts of two GELUs each, and the gradient of all. */
function stack(recompute: boolean) {
  const graph = new Graph(undefined, { recompute }),
    x = external(graph, "x", [5]),
    seed = external(graph, "seed", [5], false);
  let y = x;
  for (let part = 0; part < 3; part++) {
    const input = y;
    y = graph.recomputable(() => gelu(graph, gelu(graph, input)));
  }
  graph.backward([[y, seed]]);
  return { graph, x, y };
}

Deno.test("a recomputed part keeps its input only, and is recorded again without its last dispatch", () => {
  const plain = stack(false), again = stack(true);
  const forward = "gelu.forward", backward = "gelu.backward";
  assert.deepEqual(names(plain.graph), [...Array(6).fill(forward), ...Array(6).fill(backward)]);
  assert.deepEqual(names(again.graph), [
    ...Array(6).fill(forward),
    ...Array.from({ length: 3 }, () => [forward, backward, backward]).flat(),
  ]);
  assert.ok(again.graph.gradient(again.x) && again.y.differentiable);
  assert.equal(again.graph.gradient(again.y), undefined, "nothing is left of the walk");
  // What the part reads again is what it read first; what lies on its way is new.
  const { dispatches } = again.graph;
  for (const [part, at] of [[2, 6], [1, 9], [0, 12]]) {
    assert.equal(dispatches[at].reads.x.storage, dispatches[2 * part].reads.x.storage);
    assert.notEqual(dispatches[at].writes.y.storage, dispatches[2 * part].writes.y.storage);
    assert.equal(dispatches[at + 1].reads.x.storage, dispatches[at].writes.y.storage);
  }
  assert.ok(planMemory(again.graph).plannedBytes < planMemory(plain.graph).plannedBytes);
});

Deno.test("parts nest, and one that no gradient flows through is recorded once", () => {
  const graph = new Graph(undefined, { recompute: true }),
    x = external(graph, "x", [4]),
    frozen = external(graph, "f", [4], false);
  const seed = external(graph, "seed", [4], false);
  const still = graph.recomputable(() => gelu(graph, frozen));
  assert.equal(still.differentiable, false);
  const y = graph.recomputable(() => gelu(graph, graph.recomputable(() => gelu(graph, gelu(graph, x)))));
  const view = graph.recomputable(() => graph.reshape(y, 2, 2)); // writes nothing
  graph.backward([[view, seed.reshape(2, 2)]]);
  const walked = names(graph).filter((name) => name === "gelu.backward");
  assert.equal(walked.length, 3);
  assert.ok(graph.gradient(x));
  assert.ok(
    graph.dispatches.some(({ writes }) => writes.y?.storage === y.storage),
    "an output is not dropped",
  );
});

Deno.test("gradients of leaves add up over walks", () => {
  const graph = new Graph(), x = external(graph, "x", [4]), seed = external(graph, "seed", [4], false);
  for (let walk = 0; walk < 3; walk++) graph.backward([[gelu(graph, x), seed]]);
  const walks = graph.dispatches.filter(({ entry }) => entry === "backward");
  assert.deepEqual(walks.map(({ constants }) => constants.ACCUMULATE), [false, true, true]);
  assert.equal(walks[2].reads.addend.storage, walks[1].writes.dx.storage);
  assert.equal(graph.gradient(x)?.storage, walks[2].writes.dx.storage);
});

Deno.test("a dispatch that would read and write one memory is refused by both names", () => {
  const graph = new Graph(), x = graph.temporary("x", [4]), y = graph.temporary("y", [4]);
  const options = { workgroups: [1, 1, 1] as const }, params = { size: 4 };
  const message = /"gelu\.forward".*"x".*"y".*memory of "x"/;
  assert.throws(() => graph.dispatch(geluShader, "forward", { params, x, y: x.reshape(2, 2) }, options), {
    name: "TypeError",
    message,
  });
  assert.equal(graph.dispatches.length, 0);
  graph.dispatch(add, "forward", { params, a: x, b: x, y }, options); // twice read is fine
});

Deno.test("a tensor is placed once", () => {
  const graph = new Graph(), x = graph.temporary("x", [4]);
  const range = { buffer: {} as GPUBuffer, offsetBytes: 0, sizeBytes: 16 };
  graph.place(x, range);
  assert.throws(() => graph.place(x, range), /"x".*already/);
});

Deno.test("phases nest, and end when their build throws", () => {
  const graph = new Graph(), x = external(graph, "x", [4], false);
  graph.phase("train", () => {
    gelu(graph, x);
    graph.phase("score", () => gelu(graph, x));
    assert.throws(() =>
      graph.phase("failed", () => {
        throw new Error("stop");
      })
    );
    gelu(graph, x);
  });
  gelu(graph, x);
  assert.deepEqual(graph.dispatches.map(({ phase }) => phase), ["train", "score", "train", ""]);
});
