/** Runs a sampler inside a program over many steps, as a training step does, and reads all that it computes. */
import { linearGrid } from "../../src/gpu/recorder.ts";
import { Ring } from "../../src/gpu/ring.ts";
import { record } from "../../src/gpu/shaders.gen.ts";
import { Graph } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { type SamplerName, samplers } from "../../src/selection/samplers.ts";
import type { HostEmbeddings } from "../../src/selection/select.ts";
import { testDevice } from "../gpu/device.ts";

/** What to select, how often. */
export interface Selecting {
  readonly superBatch: number;
  readonly batch: number;
  readonly chunks: number;
  readonly gain: number;
  readonly seed: number;
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
  readonly learnability: number;
  /** [N] */
  readonly entropy: Float32Array;
}

/** Selects `steps` times; models are needed by samplers that score. */
export async function runSelection(
  sampler: SamplerName,
  request: Selecting,
  models?: { learner: HostEmbeddings; reference: HostEmbeddings },
): Promise<Selected> {
  const { superBatch, batch, steps = 1 } = request;
  const device = await testDevice(), graph = new Graph(device);
  const pairing = ({ image, text, width, logitScale, logitBias }: HostEmbeddings) => ({
    image: graph.constant("image", [superBatch, width], image),
    text: graph.constant("text", [superBatch, width], text),
    logitScale: graph.constant("scale", [1], Float32Array.of(Math.log(logitScale))),
    logitBias: graph.constant("bias", [1], Float32Array.of(logitBias)),
  });
  const scores = models && { learner: pairing(models.learner), reference: pairing(models.reference) };
  const buffers: GPUBuffer[] = [];
  const range = (label: string, sizeBytes: number) => {
    const buffer = device.createBuffer(label, sizeBytes);
    buffers.push(buffer);
    return { buffer, offsetBytes: 0, sizeBytes };
  };
  const stepRange = range("step", 16);
  const step = graph.external("step", [4], stepRange, { dtype: "u32" });
  const selection = samplers[sampler].select(graph, scores ?? null, { ...request, step });
  using ring = new Ring(device, "indices", steps, batch);
  graph.dispatch(record, "record_indices", {
    params: { capacity: steps, batch, chunks: request.chunks },
    step,
    indices: selection.indices,
    index_ring: graph.external("ring", [steps, batch], ring.range, { dtype: "u32" }),
  }, { workgroups: linearGrid(batch, 64) });
  const keep = (tensor: Tensor) => {
    graph.place(tensor, range(tensor.label, tensor.sizeBytes));
    return () => device.read(tensor.storage.range!.buffer, 0, tensor.sizeBytes);
  };
  const { slots, diagonal, learnability, entropy } = selection;
  const read = {
    slots: keep(slots),
    diagonal: diagonal && keep(diagonal),
    learnability: keep(learnability),
    entropy: keep(entropy),
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
    learnability: new Float32Array(await read.learnability())[0],
    entropy: new Float32Array(await read.entropy()),
  };
  for (const buffer of buffers) device.destroyBuffer(buffer);
  return result;
}
