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
import { allocate, type Memory } from "../gpu/memory.ts";
import { record as recordShader } from "../gpu/shaders.gen.ts";
import { Graph } from "../graph/graph.ts";
import { remember } from "../ops/recall.ts";
import { Program } from "../graph/program.ts";
import type { DType, Shape, Tensor } from "../graph/tensor.ts";
import type { LossName, Pairing } from "../losses/contrastive.ts";
import type { DualEncoderConfig } from "../models/config.ts";
import { type BatchTensors, embedPairs, imageEmbeddings, textEmbeddings } from "../models/dual_encoder.ts";
import type { ParameterStore, ParameterTensors } from "../models/parameters.ts";
import { gatherRows, takeRows } from "../ops/gather.ts";
import { adamW, type AdamWOptions, STEP_BYTES } from "../optim/adamw.ts";
import { countedModels, type SamplerName, selectBatch } from "../selection/samplers.ts";
import type { ScoreName } from "../selection/scores.ts";
import type { Selection } from "../selection/selection.ts";
import { coarseResolution, type CoTrained, type CoTraining, type KeptPass, Pass } from "./co_training.ts";
import { embedInParts, trainBatch } from "./micro_batches.ts";
import { expectPrecision, type Precision } from "../models/precision.ts";
import { type FineTuning, learningRateFactor } from "../models/fine_tuning.ts";
import { maxSegments } from "./token_index.ts";

/** What decides the shapes and rules of a step. */
export interface StepOptions extends CoTraining, FineTuning {
  readonly config: DualEncoderConfig;
  /** Examples drawn, S. */
  readonly superBatch: number;
  /** Examples trained, b. */
  readonly batch: number;
  readonly sampler: SamplerName;
  /** What the sampler goes by; null when it looks at no example. */
  readonly score: ScoreName | null;
  /** Draws that make up a selection, N. */
  readonly chunks: number;
  /** Redraws of Gibbs sampling. */
  readonly iterations: number;
  /** Share of the batch that is drawn uniformly. */
  readonly uniformShare?: number;
  /** Factor on the scores before the draw. */
  readonly gain: number;
  /** Columns of the reference's embeddings. */
  readonly referenceWidth: number;
  readonly loss: LossName;
  readonly optimizer: AdamWOptions;
  /** Steps that the rings hold. */
  readonly ringCapacity: number;
  /** Examples that one scoring pass embeds at a time. */
  readonly scoreBatch: number;
  /** Examples whose activations are kept at a time, m; b when left out. */
  readonly microBatch?: number;
  /** How activations and the kernels that products read are stored; f32 when left out. */
  readonly precision?: Precision;
  /** Keep of every transformer block only its input; false when left out. */
  readonly recompute?: boolean;
  /** Keep all that scoring computes, and train the selected examples from there; false when left out. */
  readonly reuseScoring?: boolean;
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
export const SCALARS = 8;

/** A step as it is recorded: all that it will run, over buffers that may be planned only. */
export interface RecordedStep {
  readonly graph: Graph;
  readonly inputs: StepInputs;
  readonly scalars: Ring;
  readonly indices: Ring;
  /** [draws] f32: entropy of each draw. */
  readonly entropies: Ring;
  /** [S] f32: the latest step's per-example scores; null when the sampler scores nothing. */
  readonly diagonal: BufferRange | null;
}

/** A compiled step with the buffers around it. */
export interface StepProgram extends Omit<RecordedStep, "graph">, Disposable {
  readonly program: Program;
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
    const { graph, ...around } = recordStep(device, learner, options, owned);
    const program = await Program.compile(device, graph, "training step");
    return {
      ...around,
      program,
      [Symbol.dispose]() {
        program[Symbol.dispose]();
        free();
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

/**
 * Records the step.
 *
 * @param owned receives the buffers around the step as they are made
 * @throws RangeError when batch, super-batch, chunks and patches do not fit, or the adapter lacks the precision
 */
export function recordStep(
  memory: Memory,
  learner: ParameterStore,
  options: StepOptions,
  owned: GPUBuffer[] = [],
): RecordedStep {
  expectPrecision(options.precision ?? "f32", memory.traits);
  const { config, superBatch, batch } = options;
  const { vision: { imageSize }, text: { tokens: length, vocabulary } } = config;
  const allocateWords = (label: string, words: number): BufferRange => {
    const range = allocate(memory, label, words * 4);
    owned.push(range.buffer);
    return range;
  };
  const pixelWords = imageSize * imageSize * 3 / 4;
  const segments = maxSegments(superBatch * length, vocabulary);
  const inputs: StepInputs = {
    pixels: allocateWords("pixels", superBatch * pixelWords),
    tokens: allocateWords("tokens", superBatch * length),
    positions: allocateWords("token positions", superBatch * length),
    segmentOffsets: allocateWords("segment offsets", segments + 1),
    tokenSegments: allocateWords("token segments", vocabulary + 1),
    referenceImage: allocateWords("reference image embeddings", superBatch * options.referenceWidth),
    referenceText: allocateWords("reference text embeddings", superBatch * options.referenceWidth),
    referenceScale: allocateWords("reference scale", 64),
    referenceBias: allocateWords("reference bias", 64),
    step: allocateWords("step", STEP_BYTES / 4),
  };
  const scalars = new Ring(memory, "scalars", options.ringCapacity, SCALARS);
  const indices = new Ring(memory, "selected indices", options.ringCapacity, batch);
  owned.push(scalars.range.buffer, indices.range.buffer);

  const graph = new Graph(memory, { activations: options.precision, recompute: options.recompute });
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
  const factor = (parameter: string) => learningRateFactor(parameter, config, options);
  const parameters = graph.phase(
    "convert",
    () => learner.tensors(graph, { differentiable: (parameter) => factor(parameter) > 0 }),
  );

  const counted = countedModels(options.score);
  const { scored, kept } = counted.learner
    ? graph.phase("score", () => score(graph, parameters, { ...options, step }, superBatchTensors))
    : { scored: null, kept: null };
  const selection = graph.phase(
    "select",
    () =>
      selectBatch(graph, options.sampler, {
        learner: scored,
        reference: counted.reference ? reference : null,
      }, {
        ...options,
        step,
      }),
  );
  const entropies = new Ring(memory, "entropies", options.ringCapacity, selection.entropy.size);
  owned.push(entropies.range.buffer);
  const tokenIndex = {
    positions: external("positions", [superBatch * length], "u32"),
    segmentOffsets: external("segmentOffsets", [segments + 1], "u32"),
    tokenSegments: external("tokenSegments", [vocabulary + 1], "u32"),
    slots: selection.slots,
  };
  const subBatch = {
    ...options,
    step,
    tokenIndex,
    scored,
    kept: kept && { ...kept, indices: selection.indices },
    indices: selection.indices,
    take: (from: number, to: number): BatchTensors =>
      graph.phase("gather", () => {
        const indices = takeRows(graph, selection.indices, from, to);
        return {
          pixels: gatherRows(graph, superBatchTensors.pixels, indices),
          tokens: gatherRows(graph, superBatchTensors.tokens, indices),
        };
      }),
  };
  const loss = graph.phase("train", () => {
    const loss = trainBatch(graph, parameters, subBatch);
    learner.collectGradients(graph, parameters);
    return loss;
  });
  const clip = graph.phase("update", () => adamW(graph, learner.optimized(factor), step, options.optimizer));
  graph.phase(
    "record",
    () => record(graph, { step, loss, clip, parameters, selection, scalars, indices, entropies }),
  );

  let diagonal: BufferRange | null = null;
  if (selection.diagonal) {
    diagonal = allocateWords("diagonal scores", superBatch);
    graph.place(selection.diagonal, diagonal);
  }
  return { graph, inputs, scalars, indices, entropies, diagonal };
}

/** Embeds a super-batch as it is scored, and keeps what was computed on the way if it is to be used again. */
function score(
  graph: Graph,
  parameters: ParameterTensors,
  options: StepOptions & CoTrained,
  superBatch: BatchTensors,
): { scored: Pairing; kept: Omit<KeptPass, "indices"> | null } {
  const { config, superBatch: count, scoreBatch, reuseScoring } = options;
  if (!reuseScoring) {
    const scored = embedInParts(graph, config, count, scoreBatch, (from, to) => {
      const part = {
        pixels: takeRows(graph, superBatch.pixels, from, to),
        tokens: takeRows(graph, superBatch.tokens, from, to),
      };
      return embedPairs(graph, parameters, config, part, coarseResolution(options, Pass.score, from), null);
    });
    return { scored, kept: null };
  }
  const { pixels, tokens } = superBatch, resolution = coarseResolution(options, Pass.score, 0);
  const images = () => imageEmbeddings(graph, parameters, config, pixels, resolution);
  const [image, imagePass] = remember(graph, count, images);
  const [text, textPass] = remember(
    graph,
    count,
    () => textEmbeddings(graph, parameters, config, tokens, null),
  );
  const [logitScale, logitBias] = [parameters.get("logit_scale"), parameters.get("logit_bias")];
  return { scored: { image, text, logitScale, logitBias }, kept: { image: imagePass, text: textPass } };
}

function record(
  graph: Graph,
  { step, loss, clip, parameters, selection, scalars, indices, entropies }: {
    step: Tensor;
    loss: Tensor;
    clip: Tensor;
    parameters: ParameterTensors;
    selection: Selection;
    scalars: Ring;
    indices: Ring;
    entropies: Ring;
  },
): void {
  const { capacity } = scalars;
  graph.dispatch(recordShader, "record_scalars", {
    params: { capacity, size: SCALARS },
    step,
    loss,
    clip,
    logit_scale: parameters.get("logit_scale"),
    logit_bias: parameters.get("logit_bias"),
    batch_score: selection.batchScore,
    scalars: graph.external("scalars", [capacity, SCALARS], scalars.range),
  }, { workgroups: [1, 1, 1] });
  for (const [row, ring] of [[selection.indices, indices], [selection.entropy, entropies]] as const) {
    graph.dispatch(recordShader, "record_row", {
      params: { capacity, size: row.size },
      step,
      row,
      ring: graph.external(`ring of ${row.label}`, [capacity, row.size], ring.range, { dtype: row.dtype }),
    }, { workgroups: linearGrid(row.size, 64) });
  }
}
