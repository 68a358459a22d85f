/** A resized model against the model that resizes as it runs. */
import assert from "node:assert/strict";
import { readCheckpoint } from "../../src/models/checkpoint.ts";
import { type DualEncoderConfig, preset } from "../../src/models/config.ts";
import { DualEncoder } from "../../src/models/model.ts";
import { atPatchSize } from "../../src/models/patch_size.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";

const mini = preset("mini");
const configs: Record<string, DualEncoderConfig> = {
  flatten: mini,
  map: { ...mini, vision: { ...mini.vision, pool: "map" } },
  class: { ...mini, vision: { ...mini.vision, pool: "class" } },
};

for (const [pool, config] of Object.entries(configs)) {
  Deno.test(
    { name: `${pool}: patches of 8 instead of 16 pixels, before or while it runs`, ...sharesDevice },
    async () => {
      const device = await testDevice();
      using model = DualEncoder.create(device, config, { seed: 3, trainable: false });
      const checkpoint = readCheckpoint(await model.save());
      assert.equal(atPatchSize(checkpoint, 16), checkpoint);
      using resized = DualEncoder.from(device, atPatchSize(checkpoint, 8));
      assert.equal(resized.config.vision.patchSize, 8);
      const pixels = Uint8Array.from({ length: 2 * 32 * 32 * 3 }, (_, at) => at * 7919 % 251);
      const before = await resized.embedImages(pixels),
        running = await model.embedImages(pixels, { patchSize: 8 });
      const own = await model.embedImages(pixels);
      const far = (a: Float32Array, b: Float32Array) =>
        Math.max(...a.map((value, at) => Math.abs(value - b[at])));
      assert.ok(far(before, running) < 1e-5, `${far(before, running)}`);
      assert.ok(far(before, own) > 1e-2, "patches of 8 pixels see something else");
      assert.throws(() => atPatchSize(checkpoint, 5), /32 pixels into patches of 5: choose a divisor/);
    },
  );
}
