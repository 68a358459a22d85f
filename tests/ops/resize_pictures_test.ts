import assert from "node:assert/strict";
import type { RgbImage } from "../../src/data/images/image.ts";
import { resizeImage } from "../../src/data/images/resize.ts";
import { resizePictures } from "../../src/ops/resize_pictures.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";

/** Bytes that look random, in a picture of any size. */
function picture(width: number, height: number): RgbImage {
  let state = width * 7919 + height;
  const data = Uint8Array.from({ length: width * height * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  return { width, height, data };
}

const sizes = [[1, 1], [3, 5], [16, 16], [17, 33], [65, 7], [7, 65], [64, 48], [130, 99], [15, 16], [257, 3]];

Deno.test(
  { name: "resizing on the GPU equals resizing on the CPU to the bit, at ten ratios", ...sharesDevice },
  async () => {
    const device = await testDevice(), pictures = sizes.map(([width, height]) => picture(width, height));
    for (const filter of ["bilinear", "bicubic"] as const) {
      for (const fit of ["squash", "crop", "pad"] as const) {
        for (const imageSize of [16, 6]) {
          const options = { imageSize, filter, fit }, length = imageSize * imageSize * 3;
          const resized = await resizePictures(device, pictures, options);
          assert.equal(resized.length, pictures.length * length);
          pictures.forEach((source, at) => {
            assert.deepEqual(
              resized.subarray(at * length, (at + 1) * length),
              resizeImage(source, options),
              `${filter}, ${fit}, ${source.width}×${source.height} to ${imageSize}`,
            );
          });
        }
      }
    }
  },
);

Deno.test(
  {
    name: "resizing frees what it took, and refuses an odd side and pictures beyond a buffer",
    ...sharesDevice,
  },
  async () => {
    const device = await testDevice(), options = { imageSize: 16, filter: "bicubic", fit: "squash" } as const;
    const before = device.counters.allocatedBytes;
    await resizePictures(device, [picture(20, 30), picture(5, 5)], options);
    assert.equal((await resizePictures(device, [], options)).length, 0);
    const huge = { width: 2 ** 14, height: 2 ** 16, data: new Uint8Array() };
    await assert.rejects(
      () => resizePictures(device, [huge], options),
      /16384×65536 pixels takes .* resize it on the CPU/,
    );
    await assert.rejects(
      () => resizePictures(device, [], { ...options, imageSize: 15 }),
      /choose an even side/,
    );
    assert.equal(device.counters.allocatedBytes, before);
  },
);
