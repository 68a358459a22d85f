import assert from "node:assert/strict";
import { type DualEncoderConfig, preset, type PresetName, presetNames } from "../../src/models/config.ts";
import { dualEncoderSpecs } from "../../src/models/dual_encoder.ts";
import { DualEncoder } from "../../src/models/model.ts";
import {
  readSafetensors,
  SafetensorsError,
  type SafetensorsTensor,
  writeSafetensors,
} from "../../src/storage/safetensors.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { randomPairs, tinyConfig, tinyModel } from "../train/tiny.ts";

/** Elements of all parameters whose names start so. */
function parameterCount(config: DualEncoderConfig, prefix = ""): number {
  return dualEncoderSpecs(config)
    .filter(({ name }) => name.startsWith(prefix))
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
}

for (const pool of ["map", "flatten"] as const) {
  Deno.test(
    { name: `a saved model embeds the same bits when loaded, ${pool}`, ...sharesDevice },
    async () => {
      const device = await testDevice(), { pixels, tokens } = randomPairs(5);
      using model = DualEncoder.create(device, tinyConfig(pool), { seed: 3, notes: { made: "by a test" } });
      const bytes = await model.save();
      using loaded = DualEncoder.load(device, bytes);
      assert.deepEqual(loaded.config, model.config);
      assert.deepEqual(loaded.notes, { made: "by a test" });
      assert.deepEqual(await loaded.embedImages(pixels), await model.embedImages(pixels));
      assert.deepEqual(await loaded.embedTexts(tokens), await model.embedTexts(tokens));
      assert.deepEqual(await loaded.logitScaleAndBias(), await model.logitScaleAndBias());
      assert.deepEqual(await loaded.save(), bytes);
    },
  );
}

Deno.test(
  { name: "equal seeds start with equal bits, another seed with others", ...sharesDevice },
  async () => {
    const device = await testDevice();
    const start = async (seed: number) => {
      using model = tinyModel(device, { seed });
      return await model.save();
    };
    const first = await start(1);
    assert.deepEqual(await start(1), first);
    assert.notDeepEqual(await start(2), first);
  },
);

Deno.test(
  { name: "a model whose 256 examples the adapter cannot bind embeds fewer at a time", ...sharesDevice },
  async () => {
    const device = await testDevice(), { pixels, tokens } = randomPairs(130);
    const embed = async () => {
      using model = tinyModel(device);
      const { submits } = device.counters;
      const rows = [await model.embedImages(pixels), await model.embedTexts(tokens)];
      return { rows, submits: device.counters.submits - submits };
    };
    const whole = await embed();
    // Room for 32 captions of 5 tokens with 64 hidden columns: an own property hides the adapter's.
    Object.defineProperty(device, "maxBindingBytes", { value: 32 * 5 * 64 * 4, configurable: true });
    try {
      const parts = await embed();
      assert.deepEqual(parts.rows, whole.rows);
      assert.deepEqual([whole.submits, parts.submits], [2, 10]);
    } finally {
      delete (device as { maxBindingBytes?: number }).maxBindingBytes;
    }
    assert.ok(device.maxBindingBytes >= 2 ** 27);
  },
);

Deno.test(
  { name: "embeddings are unit rows, the same one by one and beyond 256", ...sharesDevice },
  async () => {
    using model = tinyModel(await testDevice());
    const { pixels, tokens } = randomPairs(300);
    const seen: [number, number][] = [];
    const image = await model.embedImages(pixels, { onProgress: (done, total) => seen.push([done, total]) });
    const text = await model.embedTexts(tokens);
    assert.deepEqual(seen, [[256, 300], [300, 300]]);
    for (const rows of [image, text]) {
      assert.equal(rows.length, 300 * 16);
      for (let row = 0; row < 300; row++) {
        assert.ok(Math.abs(Math.hypot(...rows.subarray(row * 16, (row + 1) * 16)) - 1) < 1e-5);
      }
    }
    for (const row of [0, 1, 255, 256, 299]) {
      const picture = await model.embedImages(pixels.subarray(row * 192, (row + 1) * 192));
      const caption = await model.embedTexts(tokens.subarray(row * 5, (row + 1) * 5));
      assert.deepEqual(picture, image.slice(row * 16, (row + 1) * 16));
      assert.deepEqual(caption, text.slice(row * 16, (row + 1) * 16));
    }
    assert.notDeepEqual(image.slice(0, 16), image.slice(16, 32), "different pictures differ");
  },
);

Deno.test({ name: "inputs that are no whole number of examples are refused", ...sharesDevice }, async () => {
  using model = tinyModel(await testDevice());
  for (const length of [0, 191, 193]) {
    await assert.rejects(model.embedImages(new Uint8Array(length)), {
      name: "TypeError",
      message: `Cannot embed ${length} bytes: a picture of 8×8 RGB pixels has 192`,
    });
  }
  for (const length of [0, 4, 6]) {
    await assert.rejects(model.embedTexts(new Uint32Array(length)), {
      name: "TypeError",
      message: `Cannot embed ${length} token ids: a caption has 5`,
    });
  }
});

Deno.test(
  { name: "both heads work at another patch size", ...sharesDevice },
  async () => {
    const device = await testDevice(), { pixels } = randomPairs(3);
    for (const pool of ["map", "flatten"] as const) {
      using model = tinyModel(device, { pool });
      const own = await model.embedImages(pixels), fine = await model.embedImages(pixels, { patchSize: 2 });
      assert.equal(fine.length, own.length);
      assert.notDeepEqual(fine, own);
      assert.ok(model.forwardFlops(2) > model.forwardFlops());
      const { allocatedBytes } = device.counters;
      await assert.rejects(model.embedImages(pixels, { patchSize: 3 }), {
        name: "RangeError",
        message: /patches of 3/,
      });
      assert.equal(device.counters.allocatedBytes, allocatedBytes, "what cannot be built takes no memory");
    }
  },
);

Deno.test(
  { name: "files that are no whole checkpoint are refused and take no memory", ...sharesDevice },
  async () => {
    const device = await testDevice();
    using model = tinyModel(device);
    const bytes = await model.save();
    const { tensors, metadata } = readSafetensors(bytes);
    const { allocatedBytes } = device.counters;
    const load = (file: Uint8Array) => () => DualEncoder.load(device, file, { name: "kept.safetensors" });
    const half = bytes.subarray(0, bytes.length / 2);
    assert.throws(load(half), (error: Error) => {
      assert.ok(error instanceof SafetensorsError);
      assert.match(error.message, /kept\.safetensors/);
      return true;
    });
    assert.throws(load(new Uint8Array(0)), SafetensorsError);

    const foreign = new Map<string, SafetensorsTensor>([
      ["weight", { dtype: "F32", shape: [2], data: new Float32Array(2) }],
    ]);
    assert.throws(load(writeSafetensors(foreign)), {
      name: "TypeError",
      message:
        /kept\.safetensors is no superbatch checkpoint.*"nothing", expected "superbatch dual encoder 1"/,
    });
    assert.throws(load(writeSafetensors(foreign, { format: "pt" })), { name: "TypeError", message: /"pt"/ });

    const changed = (name: string, tensor: SafetensorsTensor | null) => {
      const copy = new Map(tensors);
      if (tensor) copy.set(name, tensor);
      else copy.delete(name);
      return writeSafetensors(copy, metadata);
    };
    const wrongShape = changed("text.norm.bias", { dtype: "F32", shape: [4, 4], data: new Float32Array(16) });
    assert.throws(load(wrongShape), {
      name: "TypeError",
      message: 'kept.safetensors: "text.norm.bias" is F32 [4,4], expected F32 [16]',
    });
    const wrongType = changed("text.norm.bias", { dtype: "I32", shape: [16], data: new Int32Array(16) });
    assert.throws(load(wrongType), { name: "TypeError", message: /"text.norm.bias" is I32 \[16\]/ });
    assert.throws(load(changed("logit_scale", null)), {
      name: "TypeError",
      message: /"logit_scale" is missing/,
    });
    assert.equal(device.counters.allocatedBytes, allocatedBytes);
  },
);

Deno.test({ name: "a model's FLOPs are those of its products", ...sharesDevice }, async () => {
  const device = await testDevice();
  const D = 16, M = 64, depth = 2, N = 4, T = 5, patch = 4 * 4 * 3;
  // Keys and values of all tokens, everything else of those that are read.
  const block = (tokens: number, read = tokens) =>
    2 * tokens * D * 3 * D + 4 * read * tokens * D + 2 * read * D * D + 4 * read * D * M;
  // The text tower reads the last token of its last block only.
  const shared = 2 * N * patch * D + depth * block(N) + (depth - 1) * block(T) + block(T, 1) + 2 * D * D;
  using map = tinyModel(device);
  const head = 2 * D * D + 2 * N * D * 2 * D + 4 * N * D + 2 * D * D + 4 * D * M;
  assert.equal(map.forwardFlops(), shared + head);
  using flatten = tinyModel(device, { pool: "flatten" });
  assert.equal(flatten.forwardFlops(), shared + 2 * N * D * D);
});

// SigLIP's published B/16 at 256² has 203 million parameters, 93 of them in the image tower (arXiv:2303.15343).
const counts: Record<PresetName, [image: number, text: number]> = {
  "mini": [116_032, 186_112],
  "midi": [363_136, 478_720],
  "Ti/16": [5_980_224, 11_532_096],
  "S/16": [23_462_016, 33_754_752],
  "B/32": [94_552_320, 110_271_744],
  "B/16": [92_930_304, 110_271_744],
  "L/16": [315_956_224, 336_194_560],
};
for (const name of presetNames) {
  Deno.test(`${name} has its number of parameters, each with a name of its own`, () => {
    const config = preset(name), [image, text] = counts[name];
    assert.equal(parameterCount(config, "image."), image);
    assert.equal(parameterCount(config, "text."), text);
    assert.equal(parameterCount(config), image + text + 2);
    const names = dualEncoderSpecs(config).map((spec) => spec.name);
    assert.equal(new Set(names).size, names.length);
  });
}

Deno.test("an unknown preset is refused with the names that there are", () => {
  assert.throws(() => preset("B/8" as PresetName), {
    name: "RangeError",
    message: 'There is no preset "B/8": choose one of mini, midi, Ti/16, S/16, B/32, B/16, L/16',
  });
});

Deno.test("configurations that do not fit together are refused", () => {
  const config = tinyConfig();
  const vision = (change: Partial<DualEncoderConfig["vision"]>) => ({
    ...config,
    vision: { ...config.vision, ...change },
  });
  const bad: [DualEncoderConfig, RegExp][] = [
    [vision({ heads: 3 }), /image tower's width of 16 cannot be split into 3 heads/],
    [vision({ heads: 8 }), /16 cannot be split into 8 heads.*multiple of 4/],
    [{ ...config, text: { ...config.text, heads: 5 } }, /text tower's width of 16 cannot be split into 5/],
    [vision({ patchSize: 3 }), /Pictures of 8 pixels cannot be cut into patches of 3/],
    [vision({ imageSize: 9, patchSize: 3 }), /Pictures of 9 pixels/],
    [{ ...config, embedding: 12 }, /"map" head the embedding is the image tower's width, 16, not 12/],
    [{ ...tinyConfig("flatten"), embedding: 10 }, /multiple of 4, not 10/],
  ];
  for (const [given, message] of bad) {
    assert.throws(() => dualEncoderSpecs(given), { name: "RangeError", message });
  }
});

Deno.test({ name: "token ids outside the vocabulary are refused", ...sharesDevice }, async () => {
  using model = DualEncoder.create(await testDevice(), preset("mini"), { seed: 1, trainable: false });
  const tokens = new Uint32Array(12).fill(2048);
  await assert.rejects(model.embedTexts(tokens), {
    name: "RangeError",
    message: /Token 2048 .* vocabulary of 2048/,
  });
});
