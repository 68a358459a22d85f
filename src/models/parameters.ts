/**
 * The learned numbers of a model: what they are called, how they start, and where they lie on the GPU.
 *
 * @module
 */

import { alignBinding, type BufferRange } from "../gpu/device.ts";
import { allocate, formatBytes, type Memory, PlannedMemory } from "../gpu/memory.ts";
import type { Graph } from "../graph/graph.ts";
import { elementCount, type Shape, Tensor, type TensorStorage } from "../graph/tensor.ts";
import { convert } from "../ops/convert.ts";
import { copyInto } from "../ops/gather.ts";
import type { OptimizedRange } from "../optim/adamw.ts";
import { normal, Stream, uniform } from "../random/philox.ts";

/** How a parameter starts. */
export type Initializer =
  /** Every element the same. */
  | { readonly kind: "constant"; readonly value: number }
  /** Gaussian with this standard deviation. */
  | { readonly kind: "normal"; readonly deviation: number }
  /** Uniform in ± √(6 / (fanIn + fanOut)) (Glorot & Bengio 2010). */
  | { readonly kind: "xavier"; readonly fanIn: number; readonly fanOut: number };

/** One named parameter. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly initializer: Initializer;
  /** Whether weight decay pulls it to zero: the kernels of linear layers. */
  readonly decay: boolean;
}

/** A run of parameters that lie next to each other in one buffer. */
export interface ParameterGroup {
  readonly decay: boolean;
  readonly parameters: BufferRange;
  readonly gradients: BufferRange;
  readonly firstMoment: BufferRange;
  readonly secondMoment: BufferRange;
  /** Elements, padding included. */
  readonly size: number;
}

/** Where one parameter lies: which group, and from which byte. */
interface Place {
  readonly group: number;
  readonly offsetBytes: number;
}

/**
 * Parameters in a few flat buffers, so that clipping and the optimiser take a handful of dispatches whatever the
 * model. Groups hold parameters of one kind of decay and stay below what the adapter can bind.
 */
export class ParameterStore implements Disposable {
  /** The parameters, in the order of the model. */
  readonly specs: readonly ParameterSpec[];
  /** The flat buffers. */
  readonly groups: readonly ParameterGroup[];
  /** Whether there is room for gradients and optimiser state. */
  readonly trainable: boolean;
  readonly #memory: Memory;
  readonly #places = new Map<string, Place>();

  /**
   * Allocates room for the parameters, zeroed.
   *
   * @param trainable also make room for gradients and optimiser state
   * @throws RangeError when a parameter is larger than what the adapter can bind
   */
  constructor(memory: Memory, specs: readonly ParameterSpec[], { trainable }: { trainable: boolean }) {
    this.#memory = memory;
    this.specs = specs;
    this.trainable = trainable;
    // A plan goes on, and names all that is too large at once.
    if (!(memory instanceof PlannedMemory)) expectBindable(specs, memory.maxBindingBytes);
    const sizes: { decay: boolean; bytes: number }[] = [];
    for (const decay of [true, false]) {
      for (const spec of specs.filter((spec) => spec.decay === decay)) {
        // Half copies of the kernels start on the grid of bindings too.
        const bytes = alignBinding(elementCount(spec.shape) * (decay ? 2 : 4)) * (decay ? 2 : 1);
        let group = sizes.length - 1;
        if (
          group < 0 || sizes[group].decay !== decay || sizes[group].bytes + bytes > memory.maxBindingBytes
        ) {
          group = sizes.push({ decay, bytes: 0 }) - 1;
        }
        this.#places.set(spec.name, { group, offsetBytes: sizes[group].bytes });
        sizes[group].bytes += bytes;
      }
    }
    this.groups = sizes.map(({ decay, bytes }, index) => {
      const flat = (label: string): BufferRange => allocate(memory, `${label} ${index}`, bytes);
      const parameters = flat("parameters");
      return {
        decay,
        size: bytes / 4,
        parameters,
        gradients: trainable ? flat("gradients") : parameters,
        firstMoment: trainable ? flat("first moments") : parameters,
        secondMoment: trainable ? flat("second moments") : parameters,
      };
    });
  }

  /** Number of learned numbers. */
  get count(): number {
    return this.specs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  }

  /**
   * The tensor of every parameter in a graph; one call a graph, because gradients are looked up by tensor.
   *
   * In a graph whose activations are f16 the kernels of linear layers are too: a copy that the graph makes first, of
   * parameters that stay f32. Their gradients are f32.
   *
   * @param options.differentiable whether gradients flow to the parameters, or to which
   */
  tensors(
    graph: Graph,
    { differentiable }: { differentiable: boolean | ((name: string) => boolean) },
  ): ParameterTensors {
    const flows = typeof differentiable === "boolean" ? () => differentiable : differentiable;
    const copies = graph.activations === "f16" ? this.#halfCopies(graph) : [];
    const tensors = new Map<string, Tensor>();
    for (const { name, shape } of this.specs) {
      const { group, offsetBytes } = this.#places.get(name)!, copy = copies[group];
      tensors.set(
        name,
        copy
          ? new Tensor(copy.storage, shape, copy.dtype, offsetBytes / 2, flows(name), name)
          : graph.external(name, shape, this.range(name, "parameters"), { differentiable: flows(name) }),
      );
    }
    return new ParameterTensors(tensors);
  }

  /** Records a half-precision copy of every group of kernels, which matrix products alone read. */
  #halfCopies(graph: Graph): (Tensor | null)[] {
    return this.groups.map(({ decay, size, parameters }, index) =>
      decay
        ? convert(graph, graph.external("parameters", [size], parameters), "f16", `kernels ${index} in f16`)
        : null
    );
  }

  /** Where a parameter, its gradient or its optimiser state lies. */
  range(name: string, kind: "parameters" | "gradients" | "firstMoment" | "secondMoment"): BufferRange {
    const place = this.#places.get(name), spec = this.specs.find((spec) => spec.name === name);
    if (!place || !spec) throw new TypeError(`The model has no parameter "${name}"`);
    const group = this.groups[place.group][kind];
    return { buffer: group.buffer, offsetBytes: place.offsetBytes, sizeBytes: elementCount(spec.shape) * 4 };
  }

  /**
   * Ends a reverse walk: sees to it that every gradient lies in the flat buffers, but of parameters that receive none.
   *
   * The last dispatch of a gradient is made to write there itself; only where other dispatches read it too (it is then
   * another tensor's gradient as well) is it copied.
   *
   * @throws Error when a parameter that is differentiable received no gradient
   */
  collectGradients(graph: Graph, tensors: ParameterTensors): void {
    const read = new Set<TensorStorage>();
    for (const { reads } of graph.dispatches) {
      for (const { storage } of Object.values(reads)) read.add(storage);
    }
    for (const { name } of this.specs) {
      if (!tensors.get(name).differentiable) continue;
      const gradient = graph.gradient(tensors.get(name));
      if (!gradient) throw new Error(`The parameter "${name}" received no gradient`);
      const range = this.range(name, "gradients");
      const whole = gradient.storage.sizeBytes === range.sizeBytes && !gradient.storage.range;
      if (whole && !read.has(gradient.storage)) graph.place(gradient, range);
      else copyInto(graph, gradient, graph.external(`d ${name}`, gradient.shape, range));
    }
  }

  /**
   * What the optimiser updates: runs of neighbouring parameters that learn equally fast.
   *
   * @param factor on the learning rate, by name; parameters of 0 are left out
   */
  optimized(factor: (name: string) => number): OptimizedRange[] {
    const runs: { group: number; rate: number; from: number; to: number }[] = [];
    this.groups.forEach(({ size }, group) => {
      const held = this.specs.filter(({ name }) => this.#places.get(name)!.group === group);
      held.forEach(({ name }, at) => {
        const from = this.#places.get(name)!.offsetBytes, next = held[at + 1];
        const to = next ? this.#places.get(next.name)!.offsetBytes : size * 4, rate = factor(name);
        const last = runs.at(-1);
        if (last && last.group === group && last.rate === rate) last.to = to;
        else runs.push({ group, rate, from, to });
      });
    });
    return runs.filter(({ rate }) => rate > 0).map(({ group, rate, from, to }) => {
      const { decay, ...flat } = this.groups[group];
      const part = ({ buffer }: BufferRange) => ({ buffer, offsetBytes: from, sizeBytes: to - from });
      return {
        decay,
        rate,
        size: (to - from) / 4,
        parameters: part(flat.parameters),
        gradients: part(flat.gradients),
        firstMoment: part(flat.firstMoment),
        secondMoment: part(flat.secondMoment),
      };
    });
  }

  /** Fills every parameter from its initialiser; the same seed gives the same bits. */
  initialize(seed: number): void {
    this.specs.forEach(({ name, shape, initializer }, parameter) => {
      this.write(name, initialValues(initializer, elementCount(shape), seed, parameter));
    });
  }

  /**
   * Writes one parameter from the host.
   *
   * @throws TypeError when the number of elements differs
   */
  write(name: string, values: Float32Array): void {
    const range = this.range(name, "parameters");
    if (values.length * 4 !== range.sizeBytes) {
      throw new TypeError(`"${name}" has ${values.length} elements, expected ${range.sizeBytes / 4}`);
    }
    this.#memory.write(range.buffer, values, range.offsetBytes);
  }

  /** Reads every parameter (or gradient, or moment) to the host. */
  async read(
    kind: "parameters" | "gradients" | "firstMoment" | "secondMoment" = "parameters",
  ): Promise<Map<string, { shape: Shape; data: Float32Array<ArrayBuffer> }>> {
    const flat: ArrayBuffer[] = [];
    for (const group of this.groups) {
      const range = group[kind];
      flat.push(await this.#memory.read(range.buffer, range.offsetBytes, range.sizeBytes));
    }
    return new Map(this.specs.map(({ name, shape }) => {
      const { group, offsetBytes } = this.#places.get(name)!;
      return [name, { shape, data: new Float32Array(flat[group], offsetBytes, elementCount(shape)).slice() }];
    }));
  }

  /** Frees the buffers. */
  [Symbol.dispose](): void {
    for (const { parameters, gradients, firstMoment, secondMoment } of this.groups) {
      for (const { buffer } of [parameters, gradients, firstMoment, secondMoment]) {
        this.#memory.destroyBuffer(buffer);
      }
    }
  }
}

/** The parameters of one model in one graph, by name. */
export class ParameterTensors {
  constructor(readonly all: ReadonlyMap<string, Tensor>) {}

  /** @throws TypeError when the model has no such parameter */
  get(name: string): Tensor {
    const tensor = this.all.get(name);
    if (!tensor) throw new TypeError(`The model has no parameter "${name}"`);
    return tensor;
  }

  /** Whether the model has a parameter of that name. */
  has(name: string): boolean {
    return this.all.has(name);
  }
}

/** @throws RangeError that names the first parameter that is larger than a binding */
function expectBindable(specs: readonly ParameterSpec[], maxBindingBytes: number): void {
  for (const { name, shape } of specs) {
    const sizeBytes = elementCount(shape) * 4;
    if (sizeBytes > maxBindingBytes) {
      throw new RangeError(
        `"${name}" [${shape}] takes ${formatBytes(sizeBytes)}, and this adapter binds at most ` +
          `${
            formatBytes(maxBindingBytes)
          }: use an adapter that binds more (superbatch info shows it), or a model ` +
          "with a smaller vocabulary or width",
      );
    }
  }
}

/**
 * The first values of a parameter.
 *
 * @param parameter its number in the model
 */
export function initialValues(
  initializer: Initializer,
  size: number,
  seed: number,
  parameter: number,
): Float32Array<ArrayBuffer> {
  switch (initializer.kind) {
    case "constant":
      return new Float32Array(size).fill(initializer.value);
    case "normal":
      return Float32Array.from(
        { length: size },
        (_, i) => initializer.deviation * normal(seed, Stream.init, parameter, i),
      );
    case "xavier": {
      const limit = Math.sqrt(6 / (initializer.fanIn + initializer.fanOut));
      return Float32Array.from(
        { length: size },
        (_, i) => limit * (2 * uniform(seed, Stream.init, parameter, i) - 1),
      );
    }
  }
}
