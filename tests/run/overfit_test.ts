import assert from "node:assert/strict";
import { madeUpPairs, overfit } from "../../src/run/overfit.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";

Deno.test(
  "a small model learns one batch by heart, and nothing where all pictures are alike",
  sharesDevice,
  async () => {
    const device = await testDevice();
    const pairs = madeUpPairs();
    assert.equal(new Set(pairs.captions).size, 32);
    for (const loss of ["sigmoid", "softmax"] as const) {
      const good = await overfit(device, pairs, { steps: 150, loss });
      assert.equal(good.verdict, "learned", JSON.stringify(good));
      const alike = { ...pairs, pixels: new Uint8Array(pairs.pixels.length).fill(90) };
      const stuck = await overfit(device, alike, { steps: 60, loss });
      assert.equal(stuck.verdict, "nothing", JSON.stringify(stuck));
      // The best that equal rows can do is the no-information value itself.
      assert.ok(stuck.last >= stuck.noInformation * 0.999, JSON.stringify(stuck));
    }
    await assert.rejects(
      overfit(device, { pixels: pairs.pixels.subarray(0, 3072), captions: ["one"] }, {
        steps: 1,
        loss: "sigmoid",
      }),
      /two different captions or more, there is 1/,
    );
  },
);
