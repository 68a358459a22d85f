import assert from "node:assert/strict";
import fc from "fast-check";
import { add } from "../../src/gpu/shaders.gen.ts";
import { Graph } from "../../src/graph/graph.ts";
import { type MemoryPlan, planMemory, plannedBuffers, type Slot } from "../../src/graph/memory_plan.ts";
import type { Tensor, TensorStorage } from "../../src/graph/tensor.ts";

function record(graph: Graph, a: Tensor, b: Tensor, y: Tensor): void {
  graph.dispatch(add, "forward", { params: { size: 1 }, a, b, y }, { workgroups: [1, 1, 1] });
}

/** A graph whose dispatch i reads two earlier tensors and writes a new one, or one of those that exist already. */
interface Recipe {
  readonly constants: number;
  readonly steps: readonly { a: number; b: number; size: number; rewrites: boolean }[];
}

const recipes: fc.Arbitrary<Recipe> = fc.record({
  constants: fc.integer({ min: 1, max: 3 }),
  steps: fc.array(
    fc.record({
      a: fc.nat(),
      b: fc.nat(),
      size: fc.integer({ min: 1, max: 300 }),
      rewrites: fc.boolean(),
    }),
    { minLength: 1, maxLength: 40 },
  ),
});

function build({ constants, steps }: Recipe): Graph {
  const graph = new Graph();
  const tensors = Array.from(
    { length: constants },
    (_, i) => graph.constant(`constant ${i}`, [i + 1], new Float32Array(i + 1)),
  );
  steps.forEach(({ a, b, size, rewrites }, at) => {
    const left = tensors[a % tensors.length], right = tensors[b % tensors.length];
    const old = tensors[(a + b) % tensors.length];
    const mayRewrite = rewrites && !old.label.startsWith("constant") && old !== left && old !== right;
    const y = mayRewrite ? old : graph.temporary(`tensor ${at}`, [size]);
    record(graph, left, right, y);
    tensors.push(y);
  });
  return graph;
}

/** Runs the plan on slots that hold whose values they have; two runs, as a program is replayed. */
function simulate(graph: Graph, { slots }: MemoryPlan): void {
  const slotOf = new Map<TensorStorage, Slot>(), holder = new Map<Slot, TensorStorage>();
  for (const slot of slots) {
    for (const { storage } of slot.lifetimes) {
      assert.ok(!slotOf.has(storage), `"${storage.label}" has two places`);
      assert.ok(storage.sizeBytes <= slot.sizeBytes, `"${storage.label}" does not fit`);
      slotOf.set(storage, slot);
    }
  }
  for (const { tensor: { storage } } of graph.constants) holder.set(slotOf.get(storage)!, storage);
  for (let run = 0; run < 2; run++) {
    graph.dispatches.forEach(({ reads, writes }, at) => {
      const used = Object.values(reads).map(({ storage }) => storage);
      for (const storage of used) {
        assert.equal(
          holder.get(slotOf.get(storage)!),
          storage,
          `dispatch ${at}: "${storage.label}" was written over`,
        );
      }
      for (const { storage } of Object.values(writes)) {
        const slot = slotOf.get(storage)!;
        assert.ok(
          used.every((other) => slotOf.get(other) !== slot),
          `dispatch ${at} reads and writes one slot`,
        );
        holder.set(slot, storage);
      }
    });
  }
}

Deno.test("no two living tensors share a slot", () => {
  fc.assert(
    fc.property(recipes, (recipe) => {
      const graph = build(recipe), plan = planMemory(graph);
      simulate(graph, plan);
      assert.ok(plan.plannedBytes <= plan.unsharedBytes);
      assert.equal(plan.plannedBytes, plan.slots.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
    }),
    { numRuns: 300 },
  );
});

Deno.test("the simulation catches a plan that shares too much", () => {
  const graph = build({
    constants: 1,
    steps: [1, 2, 3].map(() => ({ a: 0, b: 1, size: 4, rewrites: false })),
  });
  const { slots, ...totals } = planMemory(graph);
  const merged: Slot = { sizeBytes: 16, lifetimes: slots.flatMap(({ lifetimes }) => lifetimes) };
  assert.throws(() => simulate(graph, { ...totals, slots: [merged] }));
});

Deno.test("a chain takes two buffers, however long", () => {
  const graph = new Graph();
  let x = graph.external("x", [100], { buffer: {} as GPUBuffer, offsetBytes: 0, sizeBytes: 400 });
  for (let i = 0; i < 10; i++) {
    const y = graph.temporary(`y${i}`, [100]);
    record(graph, x, x, y);
    x = y;
  }
  const plan = planMemory(graph);
  assert.deepEqual([plan.slots.length, plan.plannedBytes, plan.unsharedBytes], [2, 800, 4000]);
  const phased = {
    ...graph,
    dispatches: graph.dispatches.map((d, at) => ({ ...d, phase: at < 6 ? "a" : "b" })),
  };
  assert.deepEqual(plannedBuffers(phased as unknown as Graph, plan), [
    { sizeBytes: 400, labels: ["y0", "y2", "y4", "y6", "y8"], phases: ["a", "b"] },
    { sizeBytes: 400, labels: ["y1", "y3", "y5", "y7", "y9"], phases: ["a", "b"] },
  ]);
});

Deno.test("views live and die with their storage", () => {
  const graph = new Graph(), constant = graph.constant("c", [128], new Float32Array(128));
  const [x, y, z] = ["x", "y", "z"].map((label) => graph.temporary(label, [128]));
  record(graph, constant, constant, x.reshape(2, 64));
  record(graph, constant, constant, y);
  record(graph, y, x.rows(64, 128), z);
  simulate(graph, planMemory(graph));
  assert.equal(planMemory(graph).slots.length, 4);
});

Deno.test("a temporary that is read before it is written is refused by name", () => {
  const graph = new Graph(), x = graph.temporary("lost", [4]);
  record(graph, x, x, graph.temporary("y", [4]));
  assert.throws(() => planMemory(graph), /"add\.forward" reads "lost", which nothing has written/);
});

Deno.test("tensors over buffers of their own, and the unused binding, take no slot", () => {
  const graph = new Graph(), x = graph.temporary("placed", [4]);
  graph.place(x, { buffer: {} as GPUBuffer, offsetBytes: 0, sizeBytes: 16 });
  record(graph, graph.nothing, graph.nothing, x);
  assert.equal(planMemory(graph).slots.length, 0);
});
