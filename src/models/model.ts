/**
 * A dual encoder on a device: made, loaded, saved, and used to embed.
 *
 * @module
 */

import type { Device } from "../gpu/device.ts";
import { Graph } from "../graph/graph.ts";
import { Program } from "../graph/program.ts";
import { l2Normalize } from "../ops/l2_normalize.ts";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import type { DualEncoderConfig } from "./config.ts";
import { dualEncoderSpecs, widestActivation } from "./dual_encoder.ts";
import { ParameterStore } from "./parameters.ts";
import { textTower } from "./text.ts";
import { visionTower } from "./vision.ts";

/** The most examples that one run of an embedding program handles; fewer where the adapter could not bind them. */
const EMBED_BATCH = 256;

/** A compiled forward pass of one tower. */
interface EmbeddingProgram {
  readonly program: Program;
  /** Examples of a run. */
  readonly batch: number;
  readonly input: GPUBuffer;
  readonly output: GPUBuffer;
}

/**
 * A dual encoder whose parameters are on the GPU.
 *
 * @example
 * ```ts
 * import { Device, DualEncoder, preset } from "@superbatch/superbatch";
 *
 * using device = await Device.open();
 * using model = DualEncoder.create(device, preset("mini"), { seed: 1 });
 * const picture = new Uint8Array(32 * 32 * 3).fill(200);
 * const embedding = await model.embedImages(picture); // Float32Array(64), unit length
 * using copy = DualEncoder.load(device, await model.save());
 * const again = await copy.embedImages(picture);
 * if (embedding.some((value, i) => value !== again[i])) throw new Error("the copy differs");
 * ```
 */
export class DualEncoder implements Disposable {
  readonly #programs = new Map<string, EmbeddingProgram>();

  private constructor(
    /** Where it runs. */
    readonly device: Device,
    /** What it looks like. */
    readonly config: DualEncoderConfig,
    /**
     * Its learned numbers.
     *
     * @internal
     */
    readonly parameters: ParameterStore,
    /** Notes that are saved with it, such as where it comes from. */
    readonly notes: Readonly<Record<string, string>>,
  ) {}

  /**
   * A new model with initial parameters; the same seed gives the same bits.
   *
   * @param options.seed seed of the initial parameters
   * @param options.trainable make room for gradients and optimiser state
   * @throws RangeError when the configuration does not fit together
   */
  static create(
    device: Device,
    config: DualEncoderConfig,
    { seed, trainable = true, notes = {} }: {
      seed: number;
      trainable?: boolean;
      notes?: Record<string, string>;
    },
  ): DualEncoder {
    const parameters = new ParameterStore(device, dualEncoderSpecs(config), { trainable });
    parameters.initialize(seed);
    return new DualEncoder(device, config, parameters, notes);
  }

  /**
   * A model from the bytes of a checkpoint that {@link save} made.
   *
   * @param bytes a safetensors file
   * @param name what to call the file in errors
   * @throws {SafetensorsError} when the file is damaged
   * @throws TypeError when it holds another kind of model, or a tensor is missing or of another shape
   */
  static load(
    device: Device,
    bytes: Uint8Array,
    { name = "checkpoint", trainable = false }: { name?: string; trainable?: boolean } = {},
  ): DualEncoder {
    return DualEncoder.from(device, readCheckpoint(bytes, name), { trainable });
  }

  /**
   * A model from a checkpoint in memory, such as imported weights.
   *
   * @throws RangeError when a parameter is larger than what the adapter can bind
   */
  static from(
    device: Device,
    { config, parameters: values, notes }: Checkpoint,
    { trainable = false }: { trainable?: boolean } = {},
  ): DualEncoder {
    const parameters = new ParameterStore(device, dualEncoderSpecs(config), { trainable });
    for (const { name } of parameters.specs) parameters.write(name, values.get(name)!);
    return new DualEncoder(device, config, parameters, notes);
  }

  /** The model as the bytes of a safetensors file: every parameter by name, the configuration, the notes. */
  async save(): Promise<Uint8Array> {
    const { config, notes } = this;
    const read = await this.parameters.read();
    const parameters = new Map([...read].map(([name, { data }]) => [name, data]));
    return writeCheckpoint({ config, parameters, notes });
  }

  /**
   * Unit embeddings of pictures.
   *
   * @param pixels [n, I, I, 3] RGB bytes
   * @param options.patchSize side of the patches; the model's own when left out
   * @returns [n, E]
   * @throws TypeError when the bytes are no whole number of pictures
   */
  async embedImages(
    pixels: Uint8Array,
    { patchSize = this.config.vision.patchSize, onProgress }: {
      patchSize?: number;
      onProgress?: (done: number, total: number) => void;
    } = {},
  ): Promise<Float32Array> {
    const side = this.config.vision.imageSize, length = side * side * 3;
    if (pixels.length === 0 || pixels.length % length !== 0) {
      throw new TypeError(
        `Cannot embed ${pixels.length} bytes: a picture of ${side}×${side} RGB pixels has ${length}`,
      );
    }
    const words = new Uint32Array(pixels.length / 4);
    new Uint8Array(words.buffer).set(pixels);
    return await this.#embed(`image ${patchSize}`, words, length / 4, patchSize, (graph, input) => {
      const parameters = this.parameters.tensors(graph, { differentiable: false });
      return l2Normalize(graph, visionTower(graph, parameters, this.config.vision, input, { patchSize }));
    }, onProgress);
  }

  /**
   * Unit embeddings of captions.
   *
   * @param tokens [n, T] token ids
   * @returns [n, E]
   * @throws TypeError when the ids are no whole number of captions
   * @throws RangeError when an id lies outside the vocabulary
   */
  async embedTexts(
    tokens: Uint32Array,
    { onProgress }: { onProgress?: (done: number, total: number) => void } = {},
  ): Promise<Float32Array> {
    const length = this.config.text.tokens;
    if (tokens.length === 0 || tokens.length % length !== 0) {
      throw new TypeError(`Cannot embed ${tokens.length} token ids: a caption has ${length}`);
    }
    const { vocabulary } = this.config.text;
    const stray = tokens.findIndex((token) => token >= vocabulary);
    if (stray >= 0) {
      throw new RangeError(
        `Token ${tokens[stray]} lies outside the vocabulary of ${vocabulary}: use the model's tokenizer`,
      );
    }
    const { patchSize } = this.config.vision;
    return await this.#embed("text", tokens, length, patchSize, (graph, input) => {
      const parameters = this.parameters.tensors(graph, { differentiable: false });
      return l2Normalize(graph, textTower(graph, parameters, this.config.text, input, null));
    }, onProgress);
  }

  /** The learned scale α and bias β of the logits. */
  async logitScaleAndBias(): Promise<{ logitScale: number; logitBias: number }> {
    const all = await this.parameters.read();
    return {
      logitScale: Math.exp(all.get("logit_scale")!.data[0]),
      logitBias: all.get("logit_bias")!.data[0],
    };
  }

  async #embed(
    key: string,
    words: Uint32Array,
    width: number,
    patchSize: number,
    build: (graph: Graph, input: ReturnType<Graph["temporary"]>) => ReturnType<Graph["temporary"]>,
    onProgress?: (done: number, total: number) => void,
  ): Promise<Float32Array> {
    const count = words.length / width, columns = this.config.embedding;
    let compiled = this.#programs.get(key);
    if (!compiled) {
      const bindable = Math.floor(
        this.device.maxBindingBytes / (widestActivation(this.config, patchSize) * 4),
      );
      const batch = Math.max(1, Math.min(EMBED_BATCH, bindable));
      const inputBytes = batch * width * 4, outputBytes = batch * columns * 4;
      const input = this.device.createBuffer(`${key} input`, inputBytes);
      const output = this.device.createBuffer(`${key} output`, outputBytes);
      const graph = new Graph(this.device);
      const tensor = graph.external(key, [batch, width], {
        buffer: input,
        offsetBytes: 0,
        sizeBytes: inputBytes,
      }, {
        dtype: "u32",
      });
      try {
        graph.place(build(graph, tensor), { buffer: output, offsetBytes: 0, sizeBytes: outputBytes });
        const program = await Program.compile(this.device, graph, `embed ${key}`);
        compiled = { program, batch, input, output };
      } catch (error) {
        this.device.destroyBuffer(input);
        this.device.destroyBuffer(output);
        throw error;
      }
      this.#programs.set(key, compiled);
    }
    const { program, batch, input, output } = compiled;
    const embeddings = new Float32Array(count * columns);
    for (let from = 0; from < count; from += batch) {
      const to = Math.min(from + batch, count);
      this.device.write(input, words.subarray(from * width, to * width));
      this.device.submit(program.recording);
      const values = await this.device.read(output, 0, (to - from) * columns * 4);
      embeddings.set(new Float32Array(values), from * columns);
      onProgress?.(to, count);
    }
    return embeddings;
  }

  /**
   * Floating-point operations of embedding so many pairs at a time, as the programs count them. At another patch size than
   * the model's own the resizing of its weights is counted once.
   */
  forwardFlops(patchSize: number = this.config.vision.patchSize, pairs = 1): number {
    const graph = new Graph(this.device);
    const parameters = this.parameters.tensors(graph, { differentiable: false });
    const { vision, text } = this.config;
    const pixels = graph.temporary("pixels", [pairs, vision.imageSize ** 2 * 3 / 4], "u32");
    visionTower(graph, parameters, vision, pixels, { patchSize });
    textTower(graph, parameters, text, graph.temporary("tokens", [pairs, text.tokens], "u32"), null);
    return graph.dispatches.reduce((sum, { flops }) => sum + flops, 0);
  }

  /** Frees the model's memory on the GPU. */
  [Symbol.dispose](): void {
    for (const { program, input, output } of this.#programs.values()) {
      program[Symbol.dispose]();
      this.device.destroyBuffer(input);
      this.device.destroyBuffer(output);
    }
    this.parameters[Symbol.dispose]();
  }
}
