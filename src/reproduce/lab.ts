/**
 * Where claims are tried: one adapter, one data set, a few seeds; what was trained once is not trained again.
 *
 * @module
 */

import { type TrainOptions, trainOptions, type TrainOptionsInput } from "../config/train_options.ts";
import { cacheFiles, type KeptFiles } from "../data/cache.ts";
import { pickRows } from "../data/dataset.ts";
import type { Device } from "../gpu/device.ts";
import { DualEncoder } from "../models/model.ts";
import { permutation, Stream } from "../random/philox.ts";
import { type PlannedOptions, planRun } from "../run/arm_options.ts";
import { curatePool, type Experiment, newModel, runArm, stoppable } from "../run/experiment.ts";
import type { RunHooks } from "../run/hooks.ts";
import { prepareData, type PreparedData } from "../run/prepare.ts";
import { type PreparedReference, prepareReference } from "../run/prepare_reference.ts";
import { contentKey } from "../run/reference.ts";
import type { HostEmbeddings, HostModels } from "../selection/select.ts";
import type { Evaluation, FlopCount, MetricLine } from "../train/record.ts";
import type { Scale } from "./scales.ts";
import { bootstrap, type Interval } from "./statistics.ts";

/** One arm, trained to its end. */
export interface Trained {
  /** What it reported on its way, held-out evaluations among it. */
  readonly lines: readonly MetricLine[];
  /** At its end. */
  readonly evaluation: Evaluation;
  /** The evaluation of the reference that it went by, or would have. */
  readonly reference: Evaluation;
  /** The learner's own, by the end. */
  readonly flops: FlopCount;
  /** To train, evaluations left out. */
  readonly seconds: number;
}

/** Recall at 5, the mean of both ways: what arms are compared by. */
export function recall({ imageToText, textToImage }: Evaluation): number {
  return (imageToText.r5 + textToImage.r5) / 2;
}

/** Evaluations of an arm whose curve is drawn. */
const CURVE_POINTS = 8;

/** What is wanted of an arm besides its end. */
export interface Wanted {
  /** Held-out evaluations on its way too; false when left out. */
  readonly curve?: boolean;
}

/** Where claims are tried. */
export class Lab implements Disposable {
  readonly #data = new Map<string, Promise<PreparedData>>();
  readonly #references = new Map<string, PreparedReference>();
  readonly #attributions = new Set<string>();
  readonly #arms: KeptFiles;

  /**
   * A lab that has run nothing yet.
   *
   * @param folder where results of arms are kept, so that a reproduction that was stopped goes on where it was
   */
  constructor(
    readonly device: Device,
    readonly scale: Scale,
    readonly seeds: readonly number[],
    folder: string,
    private readonly hooks: RunHooks,
    private readonly cache?: string,
  ) {
    this.#arms = cacheFiles(folder);
  }

  /** Whose pictures were used. */
  get attributions(): string[] {
    return [...this.#attributions];
  }

  /** Tells what is being done. */
  progress(stage: string, done: number, total: number): void {
    stoppable(this.hooks).onProgress(stage, done, total);
  }

  /**
   * Trains one arm, unless it was trained before with the same options.
   *
   * @param given what differs from the scale's own options
   * @param wanted what was not recorded then is recorded now, in a training that comes to the same
   * @throws RangeError when the options do not fit together, or the adapter is too small
   * @throws {InterruptedError} when the run was asked to stop
   */
  async train(seed: number, given: TrainOptionsInput, { curve = false }: Wanted = {}): Promise<Trained> {
    const options = this.#options(seed, given);
    const kept = `${await armKey(options)}.json`, bytes = await this.#arms.read(kept);
    if (bytes) {
      const { trained }: { trained: Trained } = JSON.parse(new TextDecoder().decode(bytes));
      const points = trained.lines.filter(({ evaluation }) => evaluation).length;
      if (!curve || points >= Math.min(CURVE_POINTS, options.steps)) return trained;
    }
    const { trained, model } = await this.#train(options, curve ? CURVE_POINTS : 1);
    model[Symbol.dispose]();
    await this.#arms.write(kept, new TextEncoder().encode(JSON.stringify({ options, trained })));
    return trained;
  }

  /** One arm with every seed. */
  async trainAll(given: TrainOptionsInput, wanted?: Wanted): Promise<Trained[]> {
    const all: Trained[] = [];
    for (const seed of this.seeds) all.push(await this.train(seed, given, wanted));
    return all;
  }

  /** The mean over seeds of a number that an arm came to; the recall when left out. */
  async measure(
    given: TrainOptionsInput,
    of: (trained: Trained) => number = ({ evaluation }) => recall(evaluation),
  ): Promise<Interval> {
    return bootstrap((await this.trainAll(given)).map(of));
  }

  /** The mean over seeds of what one arm has more than another of the same seed. */
  async difference(
    given: TrainOptionsInput,
    other: TrainOptionsInput,
    of: (trained: Trained) => number = ({ evaluation }) => recall(evaluation),
  ): Promise<Interval> {
    const others = await this.trainAll(other);
    return bootstrap((await this.trainAll(given)).map((trained, at) => of(trained) - of(others[at])));
  }

  /**
   * Embeddings of pool pairs by a learner in the midst of training with JEST, and by its reference: what a step selects
   * from.
   */
  async scored(seed: number, count: number, given: TrainOptionsInput = {}): Promise<Required<HostModels>> {
    const options = this.#options(seed, { steps: Math.ceil(this.scale.options.steps! / 2), ...given });
    const experiment = await this.#experiment(options);
    const reference = await this.#reference(experiment);
    const learner = await this.#learner(options);
    const { pool } = experiment.data,
      order = permutation(seed, Stream.shuffle, 0, pool.size).subarray(0, count);
    const rows = <T extends Uint8Array | Uint32Array | Float32Array>(all: T): T =>
      pickRows(all, all.length / pool.size, order);
    const { image, text, width, logitScale, logitBias } = reference.embeddings;
    const learned: HostEmbeddings = {
      image: await learner.embedImages(pool.pictures.gather(order)),
      text: await learner.embedTexts(rows(pool.tokens)),
      width: learner.config.embedding,
      ...await learner.logitScaleAndBias(),
    };
    learner[Symbol.dispose]();
    return {
      learner: learned,
      reference: { image: rows(image), text: rows(text), width, logitScale, logitBias },
    };
  }

  /** Floating-point operations of a learner's forward pass over a batch. */
  async forwardFlops(seed: number, given: TrainOptionsInput, patchSize: number): Promise<number> {
    const experiment = await this.#experiment(this.#options(seed, given));
    using model = newModel(experiment, experiment.options);
    return model.forwardFlops(patchSize, experiment.options.batch);
  }

  /** Frees the references. */
  [Symbol.dispose](): void {
    for (const reference of this.#references.values()) reference[Symbol.dispose]();
  }

  #options(seed: number, given: TrainOptionsInput): TrainOptions {
    return trainOptions({ ...this.scale.options, ...given, seed, cache: this.cache });
  }

  /** A learner by its options: kept from earlier, or trained now. */
  async #learner(options: TrainOptions): Promise<DualEncoder> {
    const kept = `${await armKey(options)}.safetensors`, bytes = await this.#arms.read(kept);
    if (bytes) return DualEncoder.load(this.device, bytes, { name: kept });
    const { model } = await this.#train(options, 1);
    await this.#arms.write(kept, await model.save());
    return model;
  }

  async #train(
    options: TrainOptions,
    evaluations: number,
  ): Promise<{ trained: Trained; model: DualEncoder }> {
    const lines: MetricLine[] = [];
    const experiment = {
      ...await this.#experiment(options, (line) => {
        if (line.arm !== "reference") lines.push(line); // a reference may be trained on the way
      }),
      evaluations,
    };
    const reference = await this.#reference(experiment);
    const curated = await curatePool(experiment, reference.embeddings);
    const model = newModel(experiment, experiment.options);
    try {
      const { flops, seconds, last } = await runArm(
        curated.experiment,
        model,
        options.sampler,
        curated.embeddings,
      );
      return {
        model,
        trained: { lines, evaluation: last.evaluation!, reference: reference.evaluation!, flops, seconds },
      };
    } catch (error) {
      model[Symbol.dispose]();
      throw error;
    }
  }

  async #experiment(given: TrainOptions, onLine: (line: MetricLine) => void = () => {}): Promise<Experiment> {
    const { options, problem } = planRun(given, this.device);
    if (problem) throw new RangeError(problem);
    return {
      options,
      hooks: { ...this.hooks, log: () => {} },
      device: this.device,
      data: await this.#prepare(options),
      files: cacheFiles(this.cache),
      record: {
        onMetrics: (line) => Promise.resolve(onLine(line)),
        onSnapshot: () => Promise.resolve(),
      },
    };
  }

  async #prepare(options: PlannedOptions): Promise<PreparedData> {
    const { poolSize, inDomain, captionNoise, duplicates, unknownConcepts, heldOutConcepts } = options;
    const { imageSize, dataSeed, preset } = options;
    const key = JSON.stringify([
      [poolSize, inDomain, captionNoise, duplicates, unknownConcepts, heldOutConcepts],
      [imageSize, dataSeed, preset],
    ]);
    let data = this.#data.get(key);
    if (!data) this.#data.set(key, data = prepareData(options, stoppable(this.hooks)));
    for (const line of (await data).attributions) this.#attributions.add(line);
    return await data;
  }

  async #reference(experiment: Experiment): Promise<PreparedReference> {
    const { referenceSteps, referenceData, referencePreset, preset, batch, seed, learningRate, patch } =
      experiment.options;
    const { references, warmUp, loss, beta2, imageSize, taskExamples, taskPairs } = experiment.options;
    const key = JSON.stringify([
      [referenceSteps, referenceData, referencePreset, preset, batch, seed, learningRate, patch],
      [references, taskExamples, taskPairs, experiment.data.tokenizerJson],
      [warmUp, loss, beta2, imageSize, experiment.data.pool.hash, experiment.data.reference.hash],
    ]);
    let reference = this.#references.get(key);
    if (!reference) this.#references.set(key, reference = await prepareReference(experiment));
    return reference;
  }
}

/** Names an arm by all that decides what comes of it: what differs from the defaults, so that a new option leaves old names. */
async function armKey({ cache: _cache, out: _out, name: _name, ...options }: TrainOptions): Promise<string> {
  const usual: Record<string, unknown> = trainOptions({});
  const given = Object.entries(options).filter(([name, value]) => value !== usual[name]);
  return await contentKey(given.toSorted(([a], [b]) => a < b ? -1 : 1));
}
