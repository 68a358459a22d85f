import assert from "node:assert/strict";
import { readCheckpoint, writeCheckpoint } from "../../../src/models/checkpoint.ts";
import { preset } from "../../../src/models/config.ts";
import { dualEncoderSpecs } from "../../../src/models/dual_encoder.ts";
import { exportModel } from "../../../src/models/pretrained/export.ts";
import { importModel } from "../../../src/models/pretrained/import.ts";
import { readModelFolder, writeModelFolder } from "../../../src/storage/model_folder.ts";
import { toFloat32 } from "../../../src/storage/float_conversion.ts";
import { readSafetensors } from "../../../src/storage/safetensors.ts";

const fixtures = new URL("../../fixtures/pretrained/", import.meta.url).pathname;

for (const name of ["siglip", "siglip2", "clip", "clip_first"]) {
  Deno.test(`${name}: what is exported holds transformers' tensors, and imports as the same model`, async () => {
    const original = await readModelFolder(`${fixtures}${name}`);
    const imported = importModel(original), { files, warnings } = exportModel(imported);
    assert.equal(warnings.length, imported.notes.tokenizer ? 0 : 1);
    const path = await Deno.makeTempDir();
    try {
      await writeModelFolder(path, files);
      const written = await readModelFolder(path);
      assert.deepEqual([...written.tensors.keys()].sort(), [...original.tensors.keys()].sort());
      for (const [tensor, { shape, data }] of written.tensors) {
        const theirs = original.tensors.get(tensor)!;
        assert.deepEqual(shape, theirs.shape, tensor);
        // The position of the class token is in that token.
        if (/class_embedding|vision_model.embeddings.position_embedding/.test(tensor)) continue;
        assert.deepEqual(data, toFloat32(theirs), tensor);
      }
      const again = importModel(written);
      assert.deepEqual(again.config, imported.config);
      assert.deepEqual(again.parameters, imported.parameters);
      assert.equal(again.notes.tokenizer, imported.notes.tokenizer);
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  });
}

Deno.test("transformers is told the preprocessing and the architecture", async () => {
  const { files } = exportModel(importModel(await readModelFolder(`${fixtures}clip`)));
  const processor = JSON.parse(files.get("preprocessor_config.json") as string);
  assert.equal(processor.image_processor_type, "CLIPImageProcessor");
  assert.deepEqual(processor.crop_size, { height: 16, width: 16 });
  assert.deepEqual(processor.image_std, [0.26862954, 0.26130258, 0.27577711]);
  const config = JSON.parse(files.get("config.json") as string);
  assert.deepEqual([config.architectures, config.text_config.eos_token_id], [["CLIPModel"], 1]);
  assert.deepEqual(readSafetensors(files.get("model.safetensors") as Uint8Array).metadata, { format: "pt" });
});

Deno.test("a preset of SigLIP's architecture is exported, one with a flattening head refused with the reasons", () => {
  const checkpoint = (name: "mini" | "Ti/16") => {
    const config = preset(name);
    const parameters = new Map(
      dualEncoderSpecs(config).map(({ name, shape }) => [
        name,
        new Float32Array(shape.reduce((a, b) => a * b)),
      ]),
    );
    return { config, parameters, notes: {} };
  };
  const { files, warnings } = exportModel(checkpoint("Ti/16"));
  assert.equal(JSON.parse(files.get("config.json") as string).model_type, "siglip");
  assert.match(warnings[0], /holds no tokenizer/);
  assert.throws(() => exportModel(checkpoint("mini")), {
    name: "TypeError",
    message: /no SiglipModel: it pools tokens by "flatten" .* no CLIPModel: .*its text is not causal/,
  });
});

Deno.test("a logit bias that CLIP has no place for is warned of", async () => {
  const imported = importModel(await readModelFolder(`${fixtures}clip_first`));
  imported.parameters.get("logit_bias")![0] = -2;
  const [bias] = exportModel(imported).warnings;
  assert.match(bias, /CLIPModel has no logit bias: this model's, -2, is left out/);
});

Deno.test("a checkpoint with a preprocessing that makes no sense is refused", async () => {
  const imported = importModel(await readModelFolder(`${fixtures}clip_first`));
  const { vision } = imported.config;
  const broken = { ...vision, preprocessing: { ...vision.preprocessing!, std: [1, 0, 1] as const } };
  const bytes = writeCheckpoint({ ...imported, config: { ...imported.config, vision: broken } });
  assert.throws(() => readCheckpoint(bytes, "kept.safetensors"), {
    name: "TypeError",
    message: /^kept\.safetensors: The preprocessing's std/,
  });
});
