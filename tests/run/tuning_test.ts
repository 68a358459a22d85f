import assert from "node:assert/strict";
import { join } from "node:path";
import { keepTuning, keptTuning } from "../../src/run/tuning.ts";
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
