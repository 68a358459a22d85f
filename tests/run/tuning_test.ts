import assert from "node:assert/strict";
import { join } from "node:path";
import { Graph } from "../../src/graph/graph.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { describeTuning, keepTuning, keptTuning, tuneMissing } from "../../src/run/tuning.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";

const result = (key: string, winner: string) => ({
  key,
  winner,
  times: [{ variant: winner, milliseconds: 1 }],
});

Deno.test({
  name: "tuning is kept by class, replaced, forgotten, and another adapter's is not taken",
  ...sharesDevice,
}, async () => {
  const device = await testDevice(), cache = await Deno.makeTempDir();
  assert.deepEqual(await keptTuning(device, cache), []);
  await keepTuning(device, [result("a", "one"), result("b", "one")], cache);
  await keepTuning(device, [result("a", "two")], cache);
  assert.deepEqual(await keptTuning(device, cache), [result("a", "two"), result("b", "one")]);
  const other = Object.create(device, { adapter: { value: { ...device.adapter, description: "another" } } });
  assert.deepEqual(await keptTuning(other, cache), []);
  const [file] = [...Deno.readDirSync(cache)];
  await Deno.truncate(join(cache, file.name), 40);
  assert.deepEqual(await keptTuning(device, cache), [], "a damaged table is none");
  await keepTuning(device, [result("a", "one")], cache);
  await keepTuning(device, [], cache);
  assert.deepEqual(await keptTuning(device, cache), []);
});

Deno.test(
  { name: "only what is missing is tuned; it is kept at once, and described", ...sharesDevice },
  async () => {
    const device = await testDevice(), cache = await Deno.makeTempDir();
    using _ = { [Symbol.dispose]: () => device.tuned.clear() }; // other tests take the defaults
    assert.equal(describeTuning(device), "defaults");
    const graph = new Graph(device);
    for (const rows of [4, 8, 16]) {
      const matrix = (label: string, rows: number) =>
        graph.constant(label, [rows, 4], new Float32Array(rows * 4));
      matmul(graph, matrix("a", rows), matrix("b", 4));
    }
    const choices = [...graph.choices.values()], [first, second, third] = choices.map(({ key }) => key);
    const asked: [string, number, number][] = [];
    // The second is known already; before the third it is told to end.
    device.tuned.set(second, "known");
    const results = await tuneMissing(device, choices, cache, (...next) => {
      asked.push(next);
      return next[0] !== third;
    });
    assert.deepEqual(asked, [[first, 0, 2], [third, 1, 2]]);
    assert.deepEqual(results.map(({ key }) => key), [first]);
    assert.deepEqual(await keptTuning(device, cache), results);
    assert.deepEqual(describeTuning(device), { [first]: results[0].winner, [second]: "known" });
  },
);
