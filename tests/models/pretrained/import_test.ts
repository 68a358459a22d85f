import assert from "node:assert/strict";
import { encodeCaptions, loadTokenizer } from "../../../src/data/tokenizer.ts";
import { preprocessingOf } from "../../../src/models/config.ts";
import { readCheckpoint, writeCheckpoint } from "../../../src/models/checkpoint.ts";
import { DualEncoder } from "../../../src/models/model.ts";
import { importModel, type ModelFiles } from "../../../src/models/pretrained/import.ts";
import { readModelFolder } from "../../../src/storage/model_folder.ts";
import { readSafetensors, type SafetensorsTensor } from "../../../src/storage/safetensors.ts";
import { sharesDevice, testDevice } from "../../gpu/device.ts";

const fixtures = new URL("../../fixtures/pretrained/", import.meta.url).pathname;
const folder = (name: string) => readModelFolder(`${fixtures}${name}`);

async function expectedOf(name: string) {
  const { tensors } = readSafetensors(await Deno.readFile(`${fixtures}${name}/expected.safetensors`));
  const floats = (key: string) => tensors.get(key)!.data as Float32Array;
  return {
    pixels: tensors.get("input.pixels")!.data as Uint8Array,
    tokens: () => new Uint32Array((tensors.get("input.tokens")!.data as Int32Array).buffer as ArrayBuffer),
    floats,
  };
}

/** The largest distance between numbers of equal places. */
function largest(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(actual.length, expected.length);
  return Array.from(actual).reduce((most, value, i) => {
    const distance = Math.abs(value - expected[i]);
    return Number.isNaN(distance) ? Infinity : Math.max(most, distance);
  }, 0);
}

for (const name of ["siglip", "siglip2", "clip", "clip_first"]) {
  Deno.test({ name: `${name}: embeddings and logits equal transformers'`, ...sharesDevice }, async () => {
    const { pixels, tokens, floats } = await expectedOf(name);
    const imported = importModel(await folder(name));
    assert.deepEqual(imported.initialised, []);
    // Through a checkpoint, as a user's weights go.
    using model = DualEncoder.load(await testDevice(), writeCheckpoint(imported));
    const image = await model.embedImages(pixels), text = await model.embedTexts(tokens());
    const width = model.config.embedding, { logitScale, logitBias } = await model.logitScaleAndBias();
    const rows = (all: Float32Array) =>
      Array.from({ length: all.length / width }, (_, row) => all.subarray(row * width, (row + 1) * width));
    const logits = rows(image).flatMap((a) =>
      rows(text).map((b) => logitScale * a.reduce((sum, value, i) => sum + value * b[i], 0) + logitBias)
    );
    const differences = {
      image: largest(image, floats("output.image")),
      text: largest(text, floats("output.text")),
      logits: largest(logits, floats("output.logits")),
    };
    assert.ok(differences.image < 1e-5 && differences.text < 1e-5, JSON.stringify(differences));
    assert.ok(differences.logits < 1e-4, JSON.stringify(differences));
  });
}

for (const name of ["flexivit", "vit", "siglip_timm"]) {
  Deno.test({ name: `${name}: the image tower's embeddings equal timm's`, ...sharesDevice }, async () => {
    const { pixels, floats } = await expectedOf(name);
    const imported = importModel(await folder(name), { textPreset: "mini" });
    assert.ok(
      imported.initialised.includes("text.token") && !imported.initialised.includes("image.position"),
    );
    using model = DualEncoder.from(await testDevice(), imported);
    const difference = largest(await model.embedImages(pixels), floats("output.image"));
    assert.ok(difference < 1e-5, `${difference}`);
    if (name === "flexivit") {
      const coarse = await model.embedImages(pixels, { patchSize: 12 });
      assert.ok(largest(coarse, floats("output.image")) > 1e-3, "another patch size sees something else");
    }
  });
}

Deno.test("imported weights bring the preprocessing and the tokenizer, and a checkpoint keeps them", async () => {
  const pictures = async (name: string) => {
    const checkpoint = readCheckpoint(writeCheckpoint(importModel(await folder(name))));
    const { imageSize, fit, mean } = preprocessingOf(checkpoint.config.vision);
    return { imageSize, fit, mean, tokenizer: checkpoint.notes.tokenizer };
  };
  const sigLip = await pictures("siglip"), clip = await pictures("clip");
  assert.deepEqual([sigLip.imageSize, sigLip.fit, sigLip.mean], [16, "squash", [0.5, 0.5, 0.5]]);
  assert.deepEqual([clip.imageSize, clip.fit, clip.mean], [16, "crop", [
    0.48145466,
    0.4578275,
    0.40821073,
  ]]);
  const rows = encodeCaptions(loadTokenizer(clip.tokenizer), ["a dog"], 11);
  assert.equal(rows[0], 0, "the start token");
  assert.equal(rows.indexOf(1), rows.length - Array.from(rows).reverse().findIndex((id) => id !== 1));
  assert.equal((await pictures("clip_first")).tokenizer, undefined);
});

/** A folder with changed texts and tensors. */
async function changed(
  name: string,
  { config = {}, processor, tensors = {} }: {
    config?: Record<string, unknown>;
    processor?: Record<string, unknown>;
    tensors?: Record<string, SafetensorsTensor | null>;
  },
): Promise<ModelFiles> {
  const files = await folder(name), texts = new Map(files.texts);
  const merged = (file: string, change: Record<string, unknown>) =>
    texts.set(file, JSON.stringify({ ...JSON.parse(texts.get(file)!), ...change }));
  merged("config.json", config);
  if (processor) merged("preprocessor_config.json", processor);
  const all = new Map<string, SafetensorsTensor>(files.tensors);
  for (const [tensor, value] of Object.entries(tensors)) {
    if (value) all.set(tensor, value);
    else all.delete(tensor);
  }
  return { name: "weights", texts, tensors: all };
}

const vector = (length: number): SafetensorsTensor => ({
  dtype: "F32",
  shape: [length],
  data: new Float32Array(length),
});

Deno.test("weights of another architecture are refused by the tensor's name and both shapes", async () => {
  const norm = "vision_model.post_layernorm.weight";
  const cases: [Promise<ModelFiles>, RegExp][] = [
    [
      changed("siglip", { tensors: { [norm]: vector(24) } }),
      /^weights: .*SiglipModel: "vision_model\.post_layernorm\.weight" is \[24\], expected \[16\]/,
    ],
    [
      changed("siglip", { tensors: { [norm]: null } }),
      /"vision_model\.post_layernorm\.weight" is missing, expected \[16\]/,
    ],
    [changed("siglip", { tensors: { "extra.gamma": vector(3) } }), /"extra\.gamma" \[3\] has no place in it/],
    [
      changed("siglip", { tensors: { [norm]: { ...vector(16), dtype: "I32", data: new Int32Array(16) } } }),
      /post_layernorm\.weight" as f32: it is I32/,
    ],
    [
      changed("siglip", { config: { model_type: "clip" } }),
      /CLIPModel: "[\w.]+" \[.*\] in model\.safetensors has no place in it/,
    ],
    [changed("siglip", { config: { model_type: "bert" } }), /"model_type" is "bert", expected "siglip"/],
    [changed("siglip", { config: { model_type: "siglip2" } }), /pictures of any shape \(NaFlex\)/],
    [
      changed("siglip", { config: { text_config: { hidden_act: "relu" } } }),
      /config\.json, text_config: "hidden_act" is "relu", expected one of gelu/,
    ],
    [
      changed("siglip", { config: { vision_config: { hidden_size: "wide" } } }),
      /config\.json, vision_config: "hidden_size" is "wide", expected a count/,
    ],
    [
      changed("siglip", { processor: { size: { height: 32, width: 32 } } }),
      /"size" is .*32.*, expected 16 as the image_size/,
    ],
    [changed("siglip", { processor: { resample: 1 } }), /"resample" is 1, expected 2 \(bilinear\) or 3/],
    [
      changed("vit", { tensors: { "blocks.0.ls1.gamma": vector(16) } }),
      /timm's vit_base_patch16_224: "blocks\.0\.ls1\.gamma" \[16\] has no place/,
    ],
    [changed("vit", { tensors: { pos_embed: null } }), /"pos_embed" is missing, expected 3 axes/],
    [changed("vit", { config: { global_pool: "avg" } }), /"global_pool" is "avg", expected "token" or "map"/],
  ];
  for (const [files, message] of cases) {
    const given = await files;
    assert.throws(() => importModel(given), { name: "TypeError", message }, `${message}`);
  }
  assert.throws(() => importModel({ name: "weights", texts: new Map(), tensors: new Map() }), {
    message: "weights: it has no config.json",
  });
});

Deno.test("older weights hold numbers of positions, which are left out", async () => {
  const ids: SafetensorsTensor = { dtype: "I64", shape: [1, 8], data: new BigInt64Array(8) };
  const files = await changed("clip_first", {
    tensors: { "text_model.embeddings.position_ids": ids, "vision_model.embeddings.position_ids": ids },
  });
  assert.equal(importModel(files).layout, "clip");
});

Deno.test(
  { name: "a table that the adapter cannot bind is refused by name and size", ...sharesDevice },
  async () => {
    const device = await testDevice(), imported = importModel(await folder("siglip"));
    // An own property hides the adapter's.
    Object.defineProperty(device, "maxBindingBytes", { value: 50_000, configurable: true });
    const { allocatedBytes } = device.counters;
    try {
      assert.throws(() => DualEncoder.from(device, imported), {
        name: "RangeError",
        message:
          /^"text\.token" \[900,16\] takes 56\.3 KiB, and this adapter binds at most 48\.8 KiB: use an adapter/,
      });
      assert.equal(device.counters.allocatedBytes, allocatedBytes);
    } finally {
      delete (device as { maxBindingBytes?: number }).maxBindingBytes;
    }
  },
);
