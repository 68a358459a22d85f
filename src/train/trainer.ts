/**
 * Trains a dual encoder on batches that the caller brings, selecting from each what to train on.
 *
 * @module
 */

import type { ProfileOptions } from "../gpu/profiler.ts";
import { profileProgram, type ProgramProfile } from "../graph/profile.ts";
import type { DualEncoder } from "../models/model.ts";
import { stepState } from "../optim/adamw.ts";
import { warmUpCosine } from "../optim/schedule.ts";
import { countedModels } from "../selection/samplers.ts";
import { resolveTrainerOptions, RING_CAPACITY, stepOptions, type TrainerOptions } from "./options.ts";
import { compileStep, SCALARS, type StepProgram } from "./step.ts";
import { indexTokens } from "./token_index.ts";

export type { TrainerOptions };

/** A super-batch on the host. */
export interface SuperBatch {
  /** [S, I, I, 3] RGB bytes. */
  readonly pixels: Uint8Array;
  /** [S, T] token ids. */
  readonly tokens: Uint32Array;
  /** The reference's unit embeddings, [S, width] each; needed where the score counts it. */
  readonly reference?: { readonly image: Float32Array; readonly text: Float32Array };
}

/** What one step did. */
export interface StepLog {
  /** From 1. */
  readonly step: number;
  /** Before the update. */
  readonly loss: number;
  /** Global norm of the gradient before clipping. */
  readonly gradientNorm: number;
  /** Learning rate of the update. */
  readonly learningRate: number;
  /** α after the update. */
  readonly logitScale: number;
  /** β after the update. */
  readonly logitBias: number;
  /**
   * The selected batch's score at gain 1, before the update; null when the sampler goes by none. With `learnability` the
   * learner's loss of the batch minus the reference's; with `easy-reference`, which computes no learner's loss, minus the
   * reference's alone; with `hard-learner` the learner's alone.
   */
  readonly batchLearnability: number | null;
  /** [draws]: entropy in nats of each chunk's draw; null when the sampler goes by no score. */
  readonly drawEntropy: Float32Array | null;
  /** Places in the super-batch of the trained examples, in order of selection. */
  readonly selected: Uint32Array;
}

/** A loss or gradient was not a number; the parameters are those before that step. */
export class DivergenceError extends Error {
  /** The error's kind. */
  override name = "DivergenceError";

  /** The steps that were read together with the one that failed, and went well, oldest first. */
  readonly logs: readonly StepLog[];

  /** An error that holds the steps before it. */
  constructor(message: string, logs: readonly StepLog[] = []) {
    super(message);
    this.logs = logs;
  }
}

/**
 * A training in progress.
 *
 * @example Select 4 of 16 by what a reference finds easy and the model does not
 * ```ts
 * import { Device, DualEncoder, preset, Trainer } from "@superbatch/superbatch";
 *
 * using device = await Device.open();
 * using reference = DualEncoder.create(device, preset("mini"), { seed: 2 }); // yours is trained
 * using model = DualEncoder.create(device, preset("mini"), { seed: 1 });
 * using trainer = await Trainer.create(model, {
 *   steps: 1,
 *   batch: 4,
 *   superBatch: 16,
 *   sampler: "joint",
 *   chunks: 2,
 *   seed: 1,
 *   learningRate: 5e-3,
 *   reference: { ...await reference.logitScaleAndBias(), width: reference.config.embedding },
 * });
 * const pixels = crypto.getRandomValues(new Uint8Array(16 * 32 * 32 * 3));
 * const tokens = Uint32Array.from({ length: 16 * 12 }, (_, i) => i);
 * trainer.step({
 *   pixels,
 *   tokens,
 *   reference: { image: await reference.embedImages(pixels), text: await reference.embedTexts(tokens) },
 * });
 * const [{ selected, batchLearnability }] = await trainer.readLog();
 * console.log(selected, batchLearnability);
 * ```
 */
export class Trainer implements Disposable {
  #done = 0;
  #read = 0;
  readonly #rates: number[] = [];

  private constructor(
    readonly model: DualEncoder,
    readonly options: Required<Omit<TrainerOptions, "reference">> & Pick<TrainerOptions, "reference">,
    private readonly compiled: StepProgram,
  ) {}

  /**
   * Compiles the step for a model; its parameters are trained in place.
   *
   * @throws RangeError when batch, super-batch and chunks do not fit, or the adapter's limits are too small
   * @throws RangeError when the precision is `f16` and the adapter does not offer `shader-f16`
   * @throws RangeError when steps, learning rate, gain or micro-batch are no sensible numbers, or a name is unknown
   * @throws TypeError when the model cannot be trained, or the score counts a reference and none is given
   */
  static async create(model: DualEncoder, options: TrainerOptions): Promise<Trainer> {
    const { device, config, parameters } = model;
    const full = resolveTrainerOptions(options, config);
    if (!parameters.trainable) {
      throw new TypeError("The model has no room for gradients: create or load it with { trainable: true }");
    }
    const compiled = await compileStep(device, parameters, stepOptions(full, config, device.maxBindingBytes));
    if (full.reference) {
      const { referenceScale, referenceBias } = compiled.inputs;
      device.write(referenceScale.buffer, Float32Array.of(Math.log(full.reference.logitScale)));
      device.write(referenceBias.buffer, Float32Array.of(full.reference.logitBias));
    }
    return new Trainer(model, full, compiled);
  }

  /** Steps that can run before {@link readLog} must be called. */
  get logCapacity(): number {
    return RING_CAPACITY - (this.#done - this.#read);
  }

  /** Floating-point operations of one step; what micro-batches and recomputation compute again is counted. */
  get flops(): { readonly score: number; readonly train: number } {
    const { program } = this.compiled;
    return {
      score: program.flops("score") + program.flops("select"),
      train: program.flops("embed") + program.flops("train"),
    };
  }

  /**
   * Measures the latest step by running it many times more, on the data that it had. The parameters move on, so use a
   * trainer that you throw away. Without timestamps on the adapter only the whole is timed.
   */
  async profile(options?: ProfileOptions): Promise<ProgramProfile> {
    return await profileProgram(this.model.device, this.compiled.program, options);
  }

  /** Bytes that the step's temporaries take, and the dispatches that it makes. */
  get plan(): { readonly plannedBytes: number; readonly dispatches: number } {
    const { plan, recording } = this.compiled.program;
    return { plannedBytes: plan.plannedBytes, dispatches: recording.length };
  }

  /**
   * Submits one step and returns at once: the GPU works on while the caller prepares the next super-batch.
   *
   * @throws TypeError when an array has the wrong length
   * @throws RangeError after the last step, or when the log was not read for {@link logCapacity} steps
   */
  step(superBatch: SuperBatch): void {
    const { steps, learningRate, warmUp, optimizer } = this.options;
    if (this.#done >= steps) throw new RangeError(`The training has ended: all ${steps} steps are done`);
    if (this.logCapacity === 0) throw new RangeError(`Call readLog() at least every ${RING_CAPACITY} steps`);
    const rate = warmUpCosine(this.#done, steps, learningRate, Math.max(1, Math.round(steps * warmUp)));
    this.#upload(superBatch);
    this.#done++;
    this.#rates.push(rate);
    this.model.device.write(this.compiled.inputs.step.buffer, stepState(this.#done, rate, optimizer));
    this.model.device.submit(this.compiled.program.recording);
  }

  #upload({ pixels, tokens, reference }: SuperBatch): void {
    const { superBatch, score } = this.options;
    const { device, config: { vision, text } } = this.model;
    const { inputs } = this.compiled;
    const expect = (name: string, actual: number, wanted: number) => {
      if (actual !== wanted) {
        throw new TypeError(
          `${name} of a super-batch of ${superBatch} has ${actual} elements, expected ${wanted}`,
        );
      }
    };
    expect("pixels", pixels.length, superBatch * vision.imageSize ** 2 * 3);
    expect("tokens", tokens.length, superBatch * text.tokens);
    device.write(inputs.pixels.buffer, pixels);
    device.write(inputs.tokens.buffer, tokens);
    const index = indexTokens(tokens, text.vocabulary);
    device.write(inputs.positions.buffer, index.positions);
    device.write(inputs.segmentOffsets.buffer, index.segmentOffsets);
    device.write(inputs.tokenSegments.buffer, index.tokenSegments);
    if (countedModels(score).reference) {
      const { width } = this.options.reference!;
      expect("reference image embeddings", reference?.image.length ?? 0, superBatch * width);
      expect("reference text embeddings", reference?.text.length ?? 0, superBatch * width);
      device.write(inputs.referenceImage.buffer, reference!.image);
      device.write(inputs.referenceText.buffer, reference!.text);
    }
  }

  /**
   * What the steps since the last call did. Waits for them.
   *
   * @throws {DivergenceError} when one of them met a loss or gradient that is no number; it holds the steps before
   */
  async readLog(): Promise<StepLog[]> {
    const from = this.#read, to = this.#done;
    const scalars = await this.compiled.scalars.read(from, to);
    const indices = await this.compiled.indices.read(from, to);
    const entropies = await this.compiled.entropies.read(from, to);
    this.#read = to;
    const scored = this.options.score !== null;
    const logs: StepLog[] = [];
    for (const [i, row] of scalars.entries()) {
      const values = new Float32Array(row, 0, SCALARS);
      const step = from + i + 1;
      const [loss, gradientNorm, , finite, logScale, logitBias, learnability] = values;
      if (countedModels(this.options.score).reference && !Number.isFinite(learnability)) {
        throw new DivergenceError(
          `The batch's ${
            this.options.score === "learnability" ? "learnability" : "score"
          } was ${learnability} in step ${step}: look for numbers that are not finite in the reference's embeddings`,
          logs,
        );
      }
      if (finite !== 1 || !Number.isFinite(loss)) {
        throw new DivergenceError(
          `The loss was ${loss} and the gradient's norm ${gradientNorm} in step ${step}: training cannot go on. ` +
            `Use a lower learning rate${
              this.options.precision === "f16" ? ", or f32 (--precision f32)" : ""
            }.`,
          logs,
        );
      }
      logs.push({
        step,
        loss,
        gradientNorm,
        learningRate: this.#rates[step - 1],
        logitScale: Math.exp(logScale),
        logitBias,
        batchLearnability: scored ? learnability : null,
        drawEntropy: scored ? new Float32Array(entropies[i]) : null,
        selected: new Uint32Array(indices[i]),
      });
    }
    return logs;
  }

  /**
   * The latest step's own score of every example of its super-batch, at gain 1; null when the sampler goes by none. Waits
   * for the step.
   */
  async readScores(): Promise<Float32Array | null> {
    const { diagonal } = this.compiled;
    if (!diagonal) return null;
    return new Float32Array(await this.model.device.read(diagonal.buffer, 0, diagonal.sizeBytes));
  }

  /** Frees the step's memory; the model lives on. */
  [Symbol.dispose](): void {
    this.compiled[Symbol.dispose]();
  }
}
