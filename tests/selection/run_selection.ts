/** Runs a sampler inside a program over many steps, as a training step does, and reads all that it computes. */
import { linearGrid } from "../../src/gpu/recorder.ts";
import { Ring } from "../../src/gpu/ring.ts";
import { record } from "../../src/gpu/shaders.gen.ts";
import { Graph } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import type { LossName } from "../../src/losses/contrastive.ts";
import { type SamplerName, samplerScore, selectBatch } from "../../src/selection/samplers.ts";
import type { ScoreName } from "../../src/selection/scores.ts";
import type { HostEmbeddings } from "../../src/selection/select.ts";
import { testDevice } from "../gpu/device.ts";

/** What to select, how often. */
export interface Selecting {
  readonly superBatch: number;
  readonly batch: number;
  readonly chunks: number;
  readonly gain: number;
  readonly seed: number;
  /** The sampler's own when left out. */
  readonly score?: ScoreName;
  /** Sigmoid when left out. */
  readonly loss?: LossName;
  /** Of Gibbs sampling; 1 when left out. */
  readonly iterations?: number;
  /** Draws; each has its own number of the step, from 1. */
  readonly steps?: number;
}

/** What was selected in every step, and the other outputs of the last one. */
export interface Selected {
  /** [b] a step */
  readonly indices: Uint32Array[];
  /** [S] */
  readonly slots: Uint32Array;
  /** [S] */
  readonly diagonal: Float32Array | null;
  readonly batchScore: number;
  /** [draws] */
  readonly entropy: Float32Array;
  /** [b] */
  readonly drawnBy: Float32Array;
}

/** Selects `steps` times; models are needed by samplers that score. */
export async function runSelection(
  sampler: SamplerName,
  request: Selecting,
  models: { learner?: HostEmbeddings; reference?: HostEmbeddings } = {},
): Promise<Selected> {
  const { superBatch, batch, steps = 1, iterations = 1, loss = "sigmoid" } = request;
  const device = await testDevice(), graph = new Graph(device);
  const pairing = ({ image, text, width, logitScale, logitBias }: HostEmbeddings) => ({
    image: graph.constant("image", [superBatch, width], image),
    text: graph.constant("text", [superBatch, width], text),
    logitScale: graph.constant("scale", [1], Float32Array.of(Math.log(logitScale))),
    logitBias: graph.constant("bias", [1], Float32Array.of(logitBias)),
  });
  const { learner, reference } = models;
  const embeddings = {
    learner: learner ? pairing(learner) : null,
    reference: reference ? pairing(reference) : null,
  };
  const buffers: GPUBuffer[] = [];
  const range = (label: string, sizeBytes: number) => {
    const buffer = device.createBuffer(label, sizeBytes);
    buffers.push(buffer);
    return { buffer, offsetBytes: 0, sizeBytes };
  };
  const stepRange = range("step", 16);
  const step = graph.external("step", [4], stepRange, { dtype: "u32" });
  const score = samplerScore(sampler, request.score);
  const selection = selectBatch(graph, sampler, embeddings, { ...request, iterations, loss, score, step });
  using ring = new Ring(device, "indices", steps, batch);
  graph.dispatch(record, "record_row", {
    params: { capacity: steps, size: batch },
    step,
    row: selection.indices,
    ring: graph.external("ring", [steps, batch], ring.range, { dtype: "u32" }),
  }, { workgroups: linearGrid(batch, 64) });
  const keep = (tensor: Tensor) => {
    graph.place(tensor, range(tensor.label, tensor.sizeBytes));
    return () => device.read(tensor.storage.range!.buffer, 0, tensor.sizeBytes);
  };
  const { slots, diagonal, batchScore, entropy, drawnBy } = selection;
  const read = {
    slots: keep(slots),
    diagonal: diagonal && keep(diagonal),
    batchScore: keep(batchScore),
    entropy: keep(entropy),
    drawnBy: keep(drawnBy),
  };
  using program = await Program.compile(device, graph, "selection");
  for (let at = 1; at <= steps; at++) {
    device.write(stepRange.buffer, Uint32Array.of(at));
    device.submit(program.recording);
  }
  const result = {
    indices: (await ring.read(0, steps)).map((row) => new Uint32Array(row)),
    slots: new Uint32Array(await read.slots()),
    diagonal: read.diagonal && new Float32Array(await read.diagonal()),
    batchScore: new Float32Array(await read.batchScore())[0],
    entropy: new Float32Array(await read.entropy()),
    drawnBy: new Float32Array(await read.drawnBy()),
  };
  for (const buffer of buffers) device.destroyBuffer(buffer);
  return result;
}
