import assert from "node:assert/strict";
import { type Choice, Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { tune } from "../../src/graph/tuner.ts";
import { gelu } from "../../src/ops/gelu.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";

/** A choice between kinds of work, of which some are wrong. */
function choice(key: string, variants: Record<string, (graph: Graph, x: Tensor) => Tensor>): Choice {
  return {
    key,
    variants: Object.keys(variants),
    record: (graph, variant) => {
      const x = graph.constant(
        "x",
        [128, 128],
        Float32Array.from({ length: 128 ** 2 }, (_, i) => Math.sin(i)),
      );
      return variants[variant](graph, x);
    },
  };
}

const slow = (graph: Graph, x: Tensor) => {
  for (let turn = 0; turn < 20; turn++) matmul(graph, x, x);
  return gelu(graph, x);
};

Deno.test({
  name: "the fastest variant that computes the same wins and is taken from then on",
  ...sharesDevice,
}, async () => {
  const device = await testDevice(), allocated = device.counters.allocatedBytes;
  const key = "test of the tuner";
  const variants = {
    slow,
    fast: gelu,
    wrong: (graph: Graph, x: Tensor) => graph.constant("wrong", x.shape, new Float32Array(x.size)),
    failing: (graph: Graph, x: Tensor) => matmul(graph, x, graph.temporary("narrow", [4, 4])),
  };
  const seen: string[] = [];
  const [{ winner, times }] = await tune(device, [choice(key, variants)], ({ key }, done, total) => {
    seen.push(`${key} ${done}/${total}`);
  });
  assert.equal(winner, "fast");
  assert.deepEqual(times.map(({ variant }) => variant), ["slow", "fast", "wrong", "failing"]);
  assert.ok(times[0].milliseconds! > times[1].milliseconds!);
  assert.deepEqual(times.slice(2).map(({ milliseconds }) => milliseconds), [null, null]);
  assert.deepEqual(seen, [`${key} 1/1`]);
  assert.equal(new Graph(device).choose(choice(key, variants)), "fast");
  assert.equal(device.counters.allocatedBytes, allocated, "the tuner frees what it made");
  device.tuned.delete(key);
});

Deno.test({ name: "a choice whose default fails is an error", ...sharesDevice }, async () => {
  const failing = choice("failing", {
    first: () => {
      throw new Error("no such kernel");
    },
    second: gelu,
  });
  await assert.rejects(async () => tune(await testDevice(), [failing]), /no such kernel/);
});
