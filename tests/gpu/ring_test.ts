import assert from "node:assert/strict";
import { Ring } from "../../src/gpu/ring.ts";
import { sharesDevice, testDevice } from "./device.ts";

Deno.test(
  { name: "a ring gives the newest rows, oldest first, across its end", ...sharesDevice },
  async () => {
    const device = await testDevice();
    using ring = new Ring(device, "ring", 4, 3);
    const write = (entry: number) =>
      device.write(ring.range.buffer, Uint32Array.of(entry, 10 * entry, 100 * entry), entry % 4 * 12);
    const read = async (from: number, to: number) =>
      (await ring.read(from, to)).map((row) => [...new Uint32Array(row)]);
    for (let entry = 0; entry < 3; entry++) write(entry);
    assert.deepEqual(await read(0, 3), [[0, 0, 0], [1, 10, 100], [2, 20, 200]]);
    for (let entry = 3; entry < 7; entry++) write(entry);
    assert.deepEqual(await read(3, 7), [3, 4, 5, 6].map((entry) => [entry, 10 * entry, 100 * entry]));
    assert.deepEqual(await read(5, 6), [[5, 50, 500]]);
  },
);

Deno.test(
  { name: "a ring refuses more rows than it keeps, and reads nothing for none", ...sharesDevice },
  async () => {
    const device = await testDevice();
    using ring = new Ring(device, "ring", 4, 1);
    await assert.rejects(ring.read(2, 7), { name: "RangeError", message: /5 rows.*ring of 4.*more often/ });
    const before = device.counters.readBacks;
    assert.deepEqual(await ring.read(9, 9), []);
    assert.equal(device.counters.readBacks, before);
  },
);
