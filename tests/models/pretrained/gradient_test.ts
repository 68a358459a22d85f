/** The whole reverse pass of CLIP's architecture: class token, pre-norm, causal text, end token, no biases. */
import assert from "node:assert/strict";
import { Graph } from "../../../src/graph/graph.ts";
import { Program } from "../../../src/graph/program.ts";
import { contrastiveLoss } from "../../../src/losses/contrastive.ts";
import { dualEncoderSpecs, embedPairs } from "../../../src/models/dual_encoder.ts";
import { ParameterStore } from "../../../src/models/parameters.ts";
import { importModel } from "../../../src/models/pretrained/import.ts";
import { exportTensors } from "../../../src/models/pretrained/tensor_map.ts";
import { clipTensors } from "../../../src/models/pretrained/tensor_names.ts";
import { readModelFolder } from "../../../src/storage/model_folder.ts";
import { readSafetensors } from "../../../src/storage/safetensors.ts";
import { indexTokens } from "../../../src/train/token_index.ts";
import { sharesDevice, testDevice } from "../../gpu/device.ts";

const folder = new URL("../../fixtures/pretrained/clip_first", import.meta.url).pathname;

for (const recompute of [false, true]) {
  Deno.test(
    { name: `CLIP's gradients equal PyTorch's${recompute ? ", computed again" : ""}`, ...sharesDevice },
    async () => {
      const device = await testDevice();
      const { config, parameters: values } = importModel(await readModelFolder(folder));
      const { tensors } = readSafetensors(await Deno.readFile(`${folder}/expected.safetensors`));
      const specs = dualEncoderSpecs(config);
      using store = new ParameterStore(device, specs, { trainable: true });
      for (const { name } of specs) store.write(name, values.get(name)!);

      const graph = new Graph(device, { recompute });
      const parameters = store.tensors(graph, { differentiable: true });
      const tokens = new Uint32Array((tensors.get("input.tokens")!.data as Int32Array).buffer as ArrayBuffer);
      const pixels = new Uint32Array((tensors.get("input.pixels")!.data as Uint8Array).buffer as ArrayBuffer);
      const examples = tokens.length / config.text.tokens;
      const index = indexTokens(tokens, config.text.vocabulary);
      const constant = (label: string, data: Uint32Array, ...shape: number[]) =>
        graph.constant(label, shape.length ? shape : [data.length], data);
      const pairing = embedPairs(
        graph,
        parameters,
        config,
        {
          pixels: constant("pixels", pixels, examples, pixels.length / examples),
          tokens: constant("tokens", tokens, examples, config.text.tokens),
        },
        { patchSize: config.vision.patchSize },
        {
          positions: constant("positions", index.positions),
          segmentOffsets: constant("segment offsets", index.segmentOffsets),
          tokenSegments: constant("token segments", index.tokenSegments),
          slots: constant("slots", Uint32Array.from({ length: examples }, (_, i) => i)),
        },
      );
      graph.backward(contrastiveLoss(graph, pairing, "softmax").seeds);
      store.collectGradients(graph, parameters);
      using program = await Program.compile(device, graph, "gradients");
      device.submit(program.recording);
      const read = new Map([...await store.read("gradients")].map(([name, { data }]) => [name, data]));
      assert.ok(Math.abs(read.get("logit_bias")![0]) < 1e-6, "a bias cancels");

      const maps = clipTensors(config);
      for (const [name, { data }] of exportTensors(maps, specs, read)) {
        const expected = tensors.get(`grad.${name}`)!.data as Float32Array;
        const places = Array.from(expected.keys());
        // The class token's position is one with that token, whose gradient is checked.
        const own = name === "vision_model.embeddings.position_embedding.weight"
          ? places.slice(config.vision.width)
          : places;
        const norm = (value: (i: number) => number) => Math.hypot(...own.map(value));
        const size = norm((i) => expected[i]);
        const difference = norm((i) => (data as Float32Array)[i] - expected[i]) / Math.max(size, 1e-4);
        assert.ok(difference < 1e-3, `the gradient of ${name} differs by ${difference}`);
        assert.ok(size > 1e-5 || name.endsWith("k_proj.bias"), `${name} has a gradient`);
      }
    },
  );
}
