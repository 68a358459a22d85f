/** The whole model against PyTorch: embeddings, loss, every gradient, ten AdamW steps (`tests/fixtures/make.py`). */
import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import { contrastiveLoss, type LossName } from "../../src/losses/contrastive.ts";
import type { DualEncoderConfig } from "../../src/models/config.ts";
import { dualEncoderSpecs, embedPairs } from "../../src/models/dual_encoder.ts";
import { ParameterStore } from "../../src/models/parameters.ts";
import { adamW, adamWDefaults, stepState } from "../../src/optim/adamw.ts";
import { readSafetensors } from "../../src/storage/safetensors.ts";
import { indexTokens } from "../../src/train/token_index.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";

interface FixtureConfig {
  image: number;
  patch: number;
  width: number;
  heads: number;
  depth: number;
  tokens: number;
  vocabulary: number;
  embedding: number;
  batch: number;
  pool: "map" | "flatten";
  loss: LossName;
  optimizer: { lr: number; steps: number };
}

/** ‖a − b‖ / ‖b‖; gradients that are zero by symmetry are held against the size that rounding can give them. */
function relativeDifference(actual: Float32Array, expected: Float32Array, floor: number): number {
  let difference = 0, size = 0;
  expected.forEach((value, i) => {
    difference += (actual[i] - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(difference) / Math.max(Math.sqrt(size), floor);
}

for (const name of ["dual_encoder_map", "dual_encoder_flatten"]) {
  Deno.test({
    name: `${name}: embeddings, loss, gradients and ten steps equal PyTorch's`,
    ...sharesDevice,
    async fn() {
      const device = await testDevice();
      const path = new URL(`../fixtures/${name}.safetensors`, import.meta.url);
      const { tensors, metadata } = readSafetensors(await Deno.readFile(path), { name });
      const fixture = JSON.parse(metadata.config) as FixtureConfig;
      const get = (key: string) => tensors.get(key)!.data as Float32Array;
      const { batch, tokens: length, vocabulary } = fixture;
      const tower = {
        width: fixture.width,
        depth: fixture.depth,
        heads: fixture.heads,
        hidden: 4 * fixture.width,
      };
      const config: DualEncoderConfig = {
        vision: { ...tower, imageSize: fixture.image, patchSize: fixture.patch, pool: fixture.pool },
        text: { ...tower, tokens: length, vocabulary, initialDeviation: 1 },
        embedding: fixture.embedding,
        initialScale: 0,
        initialBias: 0,
      };
      using store = new ParameterStore(device, dualEncoderSpecs(config), { trainable: true });
      for (const spec of store.specs) store.write(spec.name, get(`param.${spec.name}`));

      const graph = new Graph();
      const parameters = store.tensors(graph, { differentiable: true });
      const tokens = new Uint32Array((tensors.get("input.tokens")!.data as Int32Array).buffer);
      const pixels = new Uint32Array((tensors.get("input.pixels")!.data as Uint8Array).buffer as ArrayBuffer);
      const index = indexTokens(tokens, vocabulary);
      const constant = (label: string, data: Uint32Array) => graph.constant(label, [data.length], data);
      const pairing = embedPairs(
        graph,
        parameters,
        config,
        {
          pixels: graph.constant("pixels", [batch, pixels.length / batch], pixels),
          tokens: graph.constant("tokens", [batch, length], tokens),
        },
        { patchSize: fixture.patch },
        {
          positions: constant("positions", index.positions),
          segmentOffsets: constant("segment offsets", index.segmentOffsets),
          tokenSegments: constant("token segments", index.tokenSegments),
          slots: constant("slots", Uint32Array.from({ length: batch }, (_, i) => i)),
        },
      );
      const { loss, seeds } = contrastiveLoss(graph, pairing, fixture.loss);
      graph.backward(seeds);
      store.collectGradients(graph, parameters);
      const kept = new Map<string, GPUBuffer>();
      for (const [label, tensor] of Object.entries({ loss, image: pairing.image, text: pairing.text })) {
        const buffer = device.createBuffer(label, tensor.sizeBytes);
        graph.place(tensor, { buffer, offsetBytes: 0, sizeBytes: tensor.sizeBytes });
        kept.set(label, buffer);
      }
      const read = async (label: string, size: number) =>
        new Float32Array(await device.read(kept.get(label)!, 0, size * 4));
      const stepBuffer = device.createBuffer("step", 16);
      const step = graph.external("step", [4], { buffer: stepBuffer, offsetBytes: 0, sizeBytes: 16 }, {
        dtype: "u32",
      });
      adamW(graph, store.groups, step, adamWDefaults);
      using program = await Program.compile(device, graph, name);

      const losses = get("losses");
      for (let at = 1; at <= fixture.optimizer.steps; at++) {
        device.write(stepBuffer, stepState(at, fixture.optimizer.lr, adamWDefaults));
        device.submit(program.recording);
        const [value] = await read("loss", 1);
        const tolerance = at === 1 ? 1e-5 : 1e-3;
        assert.ok(
          Math.abs(value - losses[at - 1]) <= tolerance * losses[at - 1],
          `loss ${at}: ${value}, ${losses[at - 1]}`,
        );
        if (at > 1) continue;
        for (const side of ["image", "text"]) {
          const expected = get(`output.${side}`);
          const difference = relativeDifference(await read(side, expected.length), expected, 1);
          assert.ok(difference < 1e-5, `${side} embeddings differ by ${difference}`);
        }
        for (const [parameter, { data }] of await store.read("gradients")) {
          const difference = relativeDifference(data, get(`grad.${parameter}`), 1e-4);
          assert.ok(difference < 1e-3, `the gradient of ${parameter} differs by ${difference}`);
        }
      }
      for (const [parameter, { data }] of await store.read()) {
        const difference = relativeDifference(data, get(`after10.${parameter}`), 0);
        assert.ok(difference < 1e-3, `${parameter} after ten steps differs by ${difference}`);
      }
      for (const buffer of [...kept.values(), stepBuffer]) device.destroyBuffer(buffer);
    },
  });
}
