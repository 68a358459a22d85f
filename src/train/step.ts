/**
 * One training step as a program: score → select → gather → train → update → record.
 *
 * Everything happens in one submit, and nothing is read back: the selected indices stay on the GPU and reach the host
 * later, through a ring.
 *
 * @module
 */

import type { BufferRange, Device } from "../gpu/device.ts";
import { linearGrid } from "../gpu/recorder.ts";
import { Ring } from "../gpu/ring.ts";
import { record as recordShader } from "../gpu/shaders.gen.ts";
import { Graph } from "../graph/graph.ts";
import { Program } from "../graph/program.ts";
import type { DType, Shape, Tensor } from "../graph/tensor.ts";
import { contrastiveLoss, type LossName, type Pairing } from "../losses/contrastive.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import { type BatchTensors, embedPairs } from "../models/dual_encoder.ts";
import type { ParameterStore, ParameterTensors } from "../models/parameters.ts";
import { copyInto, gatherRows } from "../ops/gather.ts";
import { adamW, type AdamWOptions, STEP_BYTES } from "../optim/adamw.ts";
import { type SamplerName, samplers } from "../selection/samplers.ts";
import type { Selection } from "../selection/selection.ts";

/** What decides the shapes and rules of a step. */
export interface StepOptions {
  readonly config: DualEncoderConfig;
  /** Examples drawn, S. */
  readonly superBatch: number;
  /** Examples trained, b. */
  readonly batch: number;
  readonly sampler: SamplerName;
  /** Draws that make up a selection, N. */
  readonly chunks: number;
  /** Factor on the scores before the draw. */
  readonly gain: number;
  readonly seed: number;
  /** Columns of the reference's embeddings. */
  readonly referenceWidth: number;
  /** Side of the image patches, in pixels. */
  readonly patchSize: number;
  readonly loss: LossName;
  readonly optimizer: AdamWOptions;
  /** Steps that the rings hold. */
  readonly ringCapacity: number;
  /** Examples that one scoring pass embeds at a time; a multiple of 64. */
  readonly scoreBatch: number;
}

/** Buffers that the host fills before a step. */
export interface StepInputs {
  /** [S, I·I·3] bytes. */
  readonly pixels: BufferRange;
  /** [S, T] u32. */
  readonly tokens: BufferRange;
  /** Where each token occurs, see `TokenIndex`. */
  readonly positions: BufferRange;
  readonly segmentOffsets: BufferRange;
  readonly tokenSegments: BufferRange;
  /** [S, E_ref]: the reference's embeddings of the super-batch. */
  readonly referenceImage: BufferRange;
  readonly referenceText: BufferRange;
  /** t and β of the reference, each in a slot of 256 bytes. */
  readonly referenceScale: BufferRange;
  readonly referenceBias: BufferRange;
  /** What `stepState` packs. */
  readonly step: BufferRange;
}

/** Words of a row of the scalar ring; their meaning is in `shaders/record.wgsl`. */
export const SCALARS = 12;

/** Positions that one segment of a token's list holds at the most. */
export const SEGMENT_LENGTH = 64;

/** The most segments that S·T positions over a vocabulary can need. */
export function maxSegments(positions: number, vocabulary: number): number {
  return Math.min(positions, vocabulary) + Math.ceil(positions / SEGMENT_LENGTH);
}

/** A compiled step with the buffers around it. */
export interface StepProgram extends Disposable {
  readonly program: Program;
  readonly inputs: StepInputs;
  readonly scalars: Ring;
  readonly indices: Ring;
  /** [S] f32: the latest step's per-example scores; null when the sampler scores nothing. */
  readonly diagonal: BufferRange | null;
}

/**
 * Builds and compiles the step.
 *
 * @throws RangeError when batch, super-batch, chunks and patches do not fit, or the adapter's limits are too small
 */
export async function compileStep(
  device: Device,
  learner: ParameterStore,
  options: StepOptions,
): Promise<StepProgram> {
  const owned: GPUBuffer[] = [];
  const free = () => owned.forEach((buffer) => device.destroyBuffer(buffer));
  try {
    const step = await buildStep(device, learner, options, owned);
    return {
      ...step,
      [Symbol.dispose]() {
        step.program[Symbol.dispose]();
        free();
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

/** The compiled step; the buffers around it go into `owned` as they are made. */
async function buildStep(
  device: Device,
  learner: ParameterStore,
  options: StepOptions,
  owned: GPUBuffer[],
): Promise<Omit<StepProgram, typeof Symbol.dispose>> {
  const { config, superBatch, batch, chunks, gain, seed, sampler, patchSize } = options;
  const { vision: { imageSize }, text: { tokens: length, vocabulary } } = config;
  const allocate = (label: string, words: number): BufferRange => {
    const buffer = device.createBuffer(label, words * 4);
    owned.push(buffer);
    return { buffer, offsetBytes: 0, sizeBytes: words * 4 };
  };
  const pixelWords = imageSize * imageSize * 3 / 4;
  const segments = maxSegments(superBatch * length, vocabulary);
  const inputs: StepInputs = {
    pixels: allocate("pixels", superBatch * pixelWords),
    tokens: allocate("tokens", superBatch * length),
    positions: allocate("token positions", superBatch * length),
    segmentOffsets: allocate("segment offsets", segments + 1),
    tokenSegments: allocate("token segments", vocabulary + 1),
    referenceImage: allocate("reference image embeddings", superBatch * options.referenceWidth),
    referenceText: allocate("reference text embeddings", superBatch * options.referenceWidth),
    referenceScale: allocate("reference scale", 64),
    referenceBias: allocate("reference bias", 64),
    step: allocate("step", STEP_BYTES / 4),
  };
  const scalars = new Ring(device, "scalars", options.ringCapacity, SCALARS);
  const indices = new Ring(device, "selected indices", options.ringCapacity, batch);
  owned.push(scalars.range.buffer, indices.range.buffer);

  const graph = new Graph(device);
  const external = (name: keyof StepInputs, shape: Shape, dtype: DType = "f32") =>
    graph.external(name, shape, inputs[name], { dtype });
  const superBatchTensors: BatchTensors = {
    pixels: external("pixels", [superBatch, pixelWords], "u32"),
    tokens: external("tokens", [superBatch, length], "u32"),
  };
  const reference: Pairing = {
    image: external("referenceImage", [superBatch, options.referenceWidth]),
    text: external("referenceText", [superBatch, options.referenceWidth]),
    logitScale: external("referenceScale", [1]),
    logitBias: external("referenceBias", [1]),
  };
  const step = external("step", [STEP_BYTES / 4], "u32");
  const parameters = learner.tensors(graph, { differentiable: true });

  const { scores, select } = samplers[sampler];
  const learned = scores
    ? graph.phase("score", () => embedSuperBatch(graph, parameters, options, superBatchTensors))
    : null;
  const selection = graph.phase(
    "select",
    () =>
      select(graph, learned ? { learner: learned, reference } : null, {
        superBatch,
        batch,
        chunks,
        gain,
        seed,
        step,
      }),
  );
  const subBatch: BatchTensors = graph.phase("gather", () => ({
    pixels: gatherRows(graph, superBatchTensors.pixels, selection.indices),
    tokens: gatherRows(graph, superBatchTensors.tokens, selection.indices),
  }));
  const tokenIndex = {
    positions: external("positions", [superBatch * length], "u32"),
    segmentOffsets: external("segmentOffsets", [segments + 1], "u32"),
    tokenSegments: external("tokenSegments", [vocabulary + 1], "u32"),
    slots: selection.slots,
  };
  const loss = graph.phase("train", () => {
    const pairing = embedPairs(graph, parameters, config, subBatch, patchSize, tokenIndex);
    const { loss, seeds } = contrastiveLoss(graph, pairing, options.loss);
    graph.backward(seeds);
    learner.collectGradients(graph, parameters);
    return loss;
  });
  const clip = graph.phase("update", () => adamW(graph, learner.groups, step, options.optimizer));
  graph.phase(
    "record",
    () => record(graph, { step, loss, clip, parameters, selection, scalars, indices, chunks }),
  );

  let diagonal: BufferRange | null = null;
  if (selection.diagonal) {
    diagonal = allocate("diagonal scores", superBatch);
    graph.place(selection.diagonal, diagonal);
  }
  const program = await Program.compile(device, graph, "training step");
  return { program, inputs, scalars, indices, diagonal };
}

/** The learner's embeddings of a super-batch, a bounded number of examples at a time. */
function embedSuperBatch(
  graph: Graph,
  parameters: ParameterTensors,
  { config, patchSize, superBatch, scoreBatch }: StepOptions,
  examples: BatchTensors,
): Pairing {
  return graph.withoutGradient(() => {
    if (superBatch <= scoreBatch) return embedPairs(graph, parameters, config, examples, patchSize, null);
    const image = graph.temporary("scored image embeddings", [superBatch, config.embedding]);
    const text = graph.temporary("scored text embeddings", [superBatch, config.embedding]);
    let pairing: Pairing | undefined;
    for (let from = 0; from < superBatch; from += scoreBatch) {
      const to = Math.min(from + scoreBatch, superBatch);
      const part = { pixels: examples.pixels.rows(from, to), tokens: examples.tokens.rows(from, to) };
      pairing = embedPairs(graph, parameters, config, part, patchSize, null);
      copyInto(graph, pairing.image, image.rows(from, to));
      copyInto(graph, pairing.text, text.rows(from, to));
    }
    return { ...pairing!, image, text };
  });
}

function record(
  graph: Graph,
  { step, loss, clip, parameters, selection, scalars, indices, chunks }: {
    step: Tensor;
    loss: Tensor;
    clip: Tensor;
    parameters: ParameterTensors;
    selection: Selection;
    scalars: Ring;
    indices: Ring;
    chunks: number;
  },
): void {
  const batch = selection.indices.size;
  const params = { capacity: scalars.capacity, batch, chunks };
  graph.dispatch(recordShader, "record_scalars", {
    params,
    step,
    loss,
    clip,
    logit_scale: parameters.get("logit_scale"),
    logit_bias: parameters.get("logit_bias"),
    learnability: selection.learnability,
    entropy: selection.entropy,
    scalars: graph.external("scalars", [scalars.capacity, SCALARS], scalars.range),
  }, { workgroups: [1, 1, 1] });
  graph.dispatch(recordShader, "record_indices", {
    params,
    step,
    indices: selection.indices,
    index_ring: graph.external("index ring", [indices.capacity, batch], indices.range, { dtype: "u32" }),
  }, { workgroups: linearGrid(batch, 64) });
}
