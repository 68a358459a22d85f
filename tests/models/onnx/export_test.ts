/** What ONNX models compute, against PyTorch's embeddings of the same parameters (`tests/fixtures/make.py`). */
import assert from "node:assert/strict";
import { type DualEncoderConfig, preprocessingOf } from "../../../src/models/config.ts";
import { exportOnnx, type OnnxModelName, onnxModelNames } from "../../../src/models/onnx/export.ts";
import { exportOnnxModel } from "../../../src/models/onnx/model_files.ts";
import { Message } from "../../../src/models/onnx/protobuf.ts";
import { importModel } from "../../../src/models/pretrained/import.ts";
import { readModelFolder, writeModelFolder } from "../../../src/storage/model_folder.ts";
import { readSafetensors } from "../../../src/storage/safetensors.ts";
import { type OnnxTensor, runOnnx } from "./interpreter.ts";
import { all, fields, integers, texts } from "./protobuf_reader.ts";

const fixtures = (name: string) => new URL(`../../fixtures/pretrained/${name}`, import.meta.url).pathname;

function fixture(name: string) {
  const path = new URL(`../../fixtures/${name}.safetensors`, import.meta.url);
  const { tensors, metadata } = readSafetensors(Deno.readFileSync(path), { name });
  const { image, patch, width, heads, depth, tokens, vocabulary, embedding, batch, pool } = JSON.parse(
    metadata.config,
  );
  const tower = { width, depth, heads, hidden: 4 * width };
  const config: DualEncoderConfig = {
    vision: { ...tower, imageSize: image, patchSize: patch, pool },
    text: { ...tower, tokens, vocabulary, initialDeviation: 1 },
    embedding,
    initialScale: 0,
    initialBias: 0,
  };
  const parameters = new Map(
    [...tensors].filter(([key]) => key.startsWith("param."))
      .map(([key, { data }]) => [key.slice(6), data as Float32Array<ArrayBuffer>]),
  );
  const pixels = tensors.get("input.pixels")!.data as Uint8Array;
  const ids = tensors.get("input.tokens")!.data as Int32Array;
  return {
    checkpoint: { config, parameters },
    pixel_values: channelsFirst(pixels, image, (byte) => byte / 127.5 - 1),
    input_ids: { shape: [batch, tokens], data: ids },
    image: tensors.get("output.image")!.data as Float32Array,
    text: tensors.get("output.text")!.data as Float32Array,
    number: (key: string) => (tensors.get(`param.${key}`)!.data as Float32Array)[0],
  };
}

/** [n, I, I, 3] bytes as [n, 3, I, I] values. */
function channelsFirst(
  bytes: Uint8Array,
  side: number,
  value: (byte: number, channel: number) => number,
): OnnxTensor {
  const area = side * side;
  const data = Float32Array.from(bytes, (_, at) => {
    const example = Math.floor(at / (3 * area)), channel = Math.floor(at / area) % 3;
    return value(bytes[example * 3 * area + at % area * 3 + channel], channel);
  });
  return { shape: [bytes.length / (3 * area), 3, side, side], data };
}

const joined = (parts: readonly Uint8Array[]) => {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
};

function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  tolerance = 1e-5,
): void {
  assert.equal(actual.length, expected.length, what);
  for (let at = 0; at < actual.length; at++) {
    assert.ok(
      Math.abs(actual[at] - expected[at]) <= tolerance,
      `${what}[${at}]: ${actual[at]}, ${expected[at]}`,
    );
  }
}

for (const name of ["dual_encoder_map", "dual_encoder_flatten"]) {
  Deno.test(`${name}: the ONNX models compute PyTorch's embeddings, logits by scale and bias`, () => {
    const { checkpoint, pixel_values, input_ids, image, text, number } = fixture(name);
    const inputs = { pixel_values, input_ids };
    const results = Object.fromEntries(onnxModelNames.map((model) => {
      const file = exportOnnx(model, checkpoint).get(`${model}.onnx`)!;
      return [model, runOnnx(joined(file), inputs)];
    }));
    assertClose(results.model.image_embeds.data, image, "image_embeds");
    assertClose(results.model.text_embeds.data, text, "text_embeds");
    assertClose(results.vision_model.image_embeds.data, image, "image_embeds alone");
    assertClose(results.text_model.text_embeds.data, text, "text_embeds alone");

    const width = checkpoint.config.embedding, examples = image.length / width;
    const scale = Math.exp(number("logit_scale")), bias = number("logit_bias");
    const logits = Array.from({ length: examples ** 2 }, (_, at) => {
      const row = Math.floor(at / examples) * width, column = at % examples * width;
      let sum = 0;
      for (let i = 0; i < width; i++) sum += image[row + i] * text[column + i];
      return sum * scale + bias;
    });
    assertClose(results.model.logits_per_image.data, logits, "logits_per_image", 1e-4);
    const turned = logits.map((_, at) => logits[at % examples * examples + Math.floor(at / examples)]);
    assertClose(results.model.logits_per_text.data, turned, "logits_per_text", 1e-4);

    // pooler_output is what is scaled to unit length.
    const pooled = results.vision_model.pooler_output.data,
      length = Math.hypot(...Array.from(pooled).slice(0, width));
    assertClose(
      Array.from(pooled).slice(0, width).map((value) => value / length),
      image.slice(0, width),
      "pooler_output",
    );
  });

  Deno.test(`${name}: weights in a file of their own are the same weights`, () => {
    const { checkpoint, pixel_values, input_ids, image, text } = fixture(name);
    const files = exportOnnx("model", checkpoint, { externalAbove: 1 << 12 });
    assert.deepEqual([...files.keys()], ["model.onnx", "model.onnx_data"]);
    const model = joined(files.get("model.onnx")!), data = joined(files.get("model.onnx_data")!);
    const tensors = all(all(model, 7)[0], 5).map((tensor) =>
      new Map(all(tensor, 13).map((entry) => [texts(entry, 1)[0], texts(entry, 2)[0]]))
    ).filter(({ size }) => size > 0);
    assert.ok(tensors.length > 0);
    for (const place of tensors) {
      assert.equal(place.get("location"), "model.onnx_data");
      assert.equal(Number(place.get("offset")) % 4096, 0);
    }
    const { image_embeds, text_embeds } = runOnnx(model, { pixel_values, input_ids }, data);
    assertClose(image_embeds.data, image, "image_embeds");
    assertClose(text_embeds.data, text, "text_embeds");
  });
}

for (const name of ["siglip", "siglip2", "clip", "clip_first"]) {
  Deno.test(`${name}: the ONNX models compute transformers' embeddings and logits`, async () => {
    const folder = fixtures(name);
    const checkpoint = importModel(await readModelFolder(folder)), { vision, text } = checkpoint.config;
    const { tensors } = readSafetensors(await Deno.readFile(`${folder}/expected.safetensors`));
    const { mean, std } = preprocessingOf(vision), { imageSize: side } = vision;
    const bytes = tensors.get("input.pixels")!.data as Uint8Array;
    const ids = tensors.get("input.tokens")!.data as Int32Array;
    const inputs = {
      pixel_values: channelsFirst(
        bytes,
        side,
        (byte, channel) => (byte / 255 - mean[channel]) / std[channel],
      ),
      input_ids: { shape: [ids.length / text.tokens, text.tokens], data: ids },
    };
    const run = (model: OnnxModelName) =>
      runOnnx(joined(exportOnnx(model, checkpoint).get(`${model}.onnx`)!), inputs);
    const both = run("model"), expected = (key: string) => tensors.get(key)!.data as Float32Array;
    assertClose(both.image_embeds.data, expected("output.image"), "image_embeds");
    assertClose(both.text_embeds.data, expected("output.text"), "text_embeds");
    assertClose(both.logits_per_image.data, expected("output.logits"), "logits_per_image", 1e-4);
    assertClose(run("vision_model").image_embeds.data, expected("output.image"), "image_embeds alone");
    assertClose(run("text_model").text_embeds.data, expected("output.text"), "text_embeds alone");
  });
}

Deno.test("the folder holds the models, and what prepares pictures and captions", async () => {
  const checkpoint = importModel(await readModelFolder(fixtures("clip")));
  const { files, warnings } = exportOnnxModel(checkpoint);
  const texts = ["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"];
  const models = ["onnx/model.onnx", "onnx/vision_model.onnx", "onnx/text_model.onnx"];
  assert.deepEqual([...files.keys()], [...models, ...texts]);
  assert.deepEqual(warnings, []);
  const config = JSON.parse(files.get("config.json") as string);
  assert.equal(config.model_type, "clip");
  assert.equal(config["transformers.js_config"], undefined);

  // Into a folder, and from there as transformers.js would read it; weights in files of their own.
  const path = await Deno.makeTempDir();
  try {
    await writeModelFolder(path, exportOnnxModel(checkpoint, { externalAbove: 1 << 12 }).files);
    const { use_external_data_format } =
      JSON.parse(await Deno.readTextFile(`${path}/config.json`))["transformers.js_config"];
    assert.deepEqual(
      Object.keys(use_external_data_format),
      models.map((model) => model.slice("onnx/".length)),
    );
    for (const model of models) {
      assert.ok((await Deno.stat(`${path}/${model}_data`)).size > (await Deno.stat(`${path}/${model}`)).size);
    }
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("what config.json cannot say is warned of", () => {
  const { checkpoint } = fixture("dual_encoder_flatten");
  const { warnings } = exportOnnxModel({ ...checkpoint, notes: {} });
  assert.equal(warnings.length, 2);
  assert.match(warnings[0], /holds no tokenizer/);
  assert.match(warnings[1], /"siglip".*"flatten", is in the ONNX models alone/);
});

Deno.test("a changed weight changes the embeddings", () => {
  const { checkpoint: { config, parameters }, pixel_values, input_ids, image } = fixture(
    "dual_encoder_flatten",
  );
  const kernel = parameters.get("image.patch.kernel")!;
  parameters.set("image.patch.kernel", kernel.map((value, at) => at === 5 ? value + 0.5 : value));
  const file = joined(exportOnnx("model", { config, parameters }).get("model.onnx")!);
  const { image_embeds } = runOnnx(file, { pixel_values, input_ids });
  assert.throws(() => assertClose(image_embeds.data, image, "image_embeds"), /image_embeds/);
});

Deno.test("a missing parameter is named", () => {
  const { checkpoint } = fixture("dual_encoder_map");
  checkpoint.parameters.delete("image.pool.probe");
  assert.throws(() => exportOnnx("vision_model", checkpoint), /no parameter "image\.pool\.probe"/);
  exportOnnx("text_model", checkpoint); // does not need it
});

Deno.test("fields of messages are read as they were written", () => {
  const inner = new Message().text(2, "né").integer(1, 300);
  const message = new Message().integer(1, 0).integer(1, 127).integer(1, 128).integer(1, -1).integer(
    1,
    2 ** 53 - 1,
  )
    .message(3, inner).float(4, 1.5).bytes(16, new Uint8Array(200).fill(7));
  const bytes = joined(message.parts);
  assert.equal(bytes.length, message.sizeBytes);
  assert.deepEqual(integers(bytes, 1), [0, 127, 128, -1, 2 ** 53 - 1]);
  assert.deepEqual(texts(all(bytes, 3)[0], 2), ["né"]);
  assert.deepEqual(integers(all(bytes, 3)[0], 1), [300]);
  assert.deepEqual(all(bytes, 4)[0], new Uint8Array([0, 0, 0xc0, 0x3f]));
  assert.deepEqual(all(bytes, 16)[0], new Uint8Array(200).fill(7));
  assert.throws(() => fields(bytes.subarray(0, bytes.length - 1)), /cut short/);
});
