/**
 * A static graph: the list of dispatches that ops record, and the tape that the reverse walk follows.
 *
 * Values are single-assignment: an op writes fresh tensors. A gradient that arrives at a tensor for the second time
 * is not added in place; the op is handed the first one as `addend` and writes the sum. So there is no hazard to track,
 * and the memory plan sees every lifetime.
 *
 * @module
 */

import { type AdapterTraits, type BufferRange, type HostArray, portableTraits } from "../gpu/device.ts";
import { linearGrid, type Workgroups } from "../gpu/recorder.ts";
import { add } from "../gpu/shaders.gen.ts";
import type { Arguments, Constants, EntryName, Shader, StorageBinding } from "../gpu/shader.ts";
import {
  boundBytes,
  type DType,
  elementBytes,
  elementCount,
  type Shape,
  Tensor,
  TensorStorage,
} from "./tensor.ts";

/** How one entry point is run. */
export interface DispatchOptions<S extends Shader> {
  readonly workgroups: Workgroups;
  readonly constants?: Constants<S>;
  /** Aliases of the text to turn into half precision, besides those under which such tensors are bound. */
  readonly halved?: readonly string[];
  /** Floating-point operations of a matrix product or attention (a multiply-add counts 2); 0 for all else. */
  readonly flops?: number;
  /**
   * Bytes that it reads and writes, an estimate for the profiler; what it binds, each byte once, when left out. An op
   * states its own where it touches only a part, or reads what it also writes.
   */
  readonly bytes?: number;
}

/** A recorded dispatch. */
export interface Dispatch {
  readonly shader: Shader;
  readonly entry: string;
  readonly constants: { readonly [name: string]: number | boolean | undefined };
  /** The aliases of the text that stand for half precision. */
  readonly halved: readonly string[];
  /** Values of the uniform fields, if the entry point has a uniform block. */
  readonly uniform?: { readonly name: string; readonly values: { readonly [field: string]: number } };
  readonly reads: { readonly [binding: string]: Tensor };
  readonly writes: { readonly [binding: string]: Tensor };
  readonly workgroups: Workgroups;
  readonly flops: number;
  /** Bytes read and written, an estimate. */
  readonly bytes: number;
  /** The part of the step that it belongs to, such as `score` or `train`. */
  readonly phase: string;
}

interface TapeEntry {
  readonly output: Tensor;
  readonly backward: (gradient: Tensor) => void;
}

/** Host data that is uploaded once, when the graph is compiled. */
export interface Constant {
  readonly tensor: Tensor;
  readonly data: HostArray;
}

/** What a graph needs to know of the adapter that it will run on; a `Device` is one. */
export interface Target {
  readonly traits: AdapterTraits;
  /** Winners of measured choices between variants, by class of shapes. */
  readonly tuned: ReadonlyMap<string, string>;
}

/** A choice between variants of a kernel that compute the same. */
export interface Choice {
  /** The class of shapes, such as `matmul TN 64×256×1024`. */
  readonly key: string;
  /** Names of the variants, the one to take without a measurement first. */
  readonly variants: readonly string[];
  /** Records one instance with a variant over inputs of its own, and returns its output. */
  readonly record: (graph: Graph, variant: string) => Tensor;
}

/** Records ops; see {@link https://jsr.io/@superbatch/superbatch the package} for how they make a model. */
export class Graph {
  /** All dispatches in the order in which they run. */
  readonly dispatches: Dispatch[] = [];
  /** Tensors with host data to upload. */
  readonly constants: Constant[] = [];
  /** Bound where an entry point has a buffer that the chosen constants leave unused. */
  readonly nothing: Tensor = new Tensor(new TensorStorage("nothing", 16), [1]);
  /** The choices that ops made, by class of shapes. */
  readonly choices: Map<string, Choice> = new Map();
  readonly #tape: TapeEntry[] = [];
  readonly #gradients = new Map<Tensor, Tensor>();
  /** How activations lie in memory that only matrix products and attention read. */
  readonly activations: DType;
  readonly #recomputes: boolean;
  /** What nothing need write unless something reads it; see {@link spare}. */
  readonly #spare = new Set<TensorStorage>();
  #recordsTape = true;
  #instead: ((dispatch: Dispatch) => boolean) | null = null;
  #phase = "";

  /**
   * An empty graph.
   *
   * @param target the adapter that it will run on; any adapter when left out
   * @param options.activations how those lie in memory that only matrix products and attention read; f32 when left out
   * @param options.recompute trade time for memory: keep of every {@link recomputable} part only what it reads
   */
  constructor(
    readonly target: Target = { traits: portableTraits, tuned: new Map() },
    { activations = "f32", recompute = false }: {
      readonly activations?: "f32" | "f16";
      readonly recompute?: boolean;
    } = {},
  ) {
    this.activations = activations;
    this.#recomputes = recompute;
  }

  /** The variant to record: the measured winner of the class, or else the first. */
  choose(choice: Choice): string {
    this.choices.set(choice.key, choice);
    const winner = this.target.tuned.get(choice.key);
    return winner !== undefined && choice.variants.includes(winner) ? winner : choice.variants[0];
  }

  /** A tensor over a buffer that outlives the program. */
  external(
    label: string,
    shape: Shape,
    range: BufferRange,
    { dtype = "f32", differentiable = false }: { dtype?: DType; differentiable?: boolean } = {},
  ): Tensor {
    return new Tensor(new TensorStorage(label, range.sizeBytes, range), shape, dtype, 0, differentiable);
  }

  /** A tensor that lives from its first write to its last use. */
  temporary(label: string, shape: Shape, dtype: DType = "f32"): Tensor {
    return new Tensor(new TensorStorage(label, elementCount(shape) * elementBytes(dtype)), shape, dtype);
  }

  /**
   * Lets a temporary live in a buffer that outlives the program, so that the host or another program can read it.
   *
   * @throws Error when the tensor has a place already
   */
  place(tensor: Tensor, range: BufferRange): void {
    if (tensor.storage.range) throw new Error(`Cannot place "${tensor.label}": it lies in a buffer already`);
    tensor.storage.range = range;
  }

  /** A tensor with fixed contents. */
  constant(label: string, shape: Shape, data: Float32Array | Float16Array | Uint32Array): Tensor {
    const dtype = data instanceof Uint32Array ? "u32" : data instanceof Float32Array ? "f32" : "f16";
    const tensor = this.temporary(label, shape, dtype);
    this.constants.push({ tensor, data });
    return tensor;
  }

  /** What an entry point writes into when the chosen constants leave the binding unused. */
  unused(): Tensor {
    return this.temporary("unused", [4]);
  }

  /** Whether a gradient may flow back to any of these: if not, an op need not save anything for it. */
  tracks(inputs: readonly Tensor[]): boolean {
    return this.#recordsTape && inputs.some((input) => input.differentiable);
  }

  /** Marks what `build` records as one part of the step, for the FLOP ledger and the profiler. */
  phase<T>(name: string, build: () => T): T {
    const outer = this.#phase;
    this.#phase = name;
    try {
      return build();
    } finally {
      this.#phase = outer;
    }
  }

  /** Records a forward pass that no gradient flows through. */
  withoutGradient<T>(build: () => T): T {
    const outer = this.#recordsTape;
    this.#recordsTape = false;
    try {
      return build();
    } finally {
      this.#recordsTape = outer;
    }
  }

  /** Records a forward pass that saves what a reverse walk reads, although none will come to it. */
  withoutReverse<T>(build: () => T): T {
    const before = this.#tape.length, result = build();
    this.#tape.length = before;
    return result;
  }

  /** Hands each dispatch that `build` would record to `instead`, if there is one; where that answers true, it is not recorded. */
  intercept<T>(instead: ((dispatch: Dispatch) => boolean) | null, build: () => T): T {
    const outer = this.#instead;
    this.#instead = instead;
    try {
      return build();
    } finally {
      this.#instead = outer;
    }
  }

  /**
   * Records a part of the model that can be computed twice. In a graph made with `recompute`, what it computes on the
   * way is forgotten, and recorded anew when the reverse walk comes to it (activation checkpointing, Chen et al.,
   * arXiv:1604.06174); in any other it is recorded once. The gradients have the same bits.
   *
   * @param build records the part, whenever it is called, from the same inputs; what it returns is all that others use
   */
  recomputable(build: () => Tensor): Tensor {
    if (!this.#recomputes || !this.#recordsTape) return build();
    const before = this.#tape.length, output = build();
    if (this.#tape.length === before) return output; // nothing in it is differentiable
    this.#tape.length = before;
    const tracked = new Tensor(
      output.storage,
      output.shape,
      output.dtype,
      output.offsetBytes,
      true,
      output.label,
    );
    this.#tape.push({
      output: tracked,
      backward: (gradient) => {
        // The walk goes on with the entries that this pushes.
        const again = build();
        // Computed again for what lies on the way: what it returns is there already.
        if (again.storage !== output.storage) this.spare(again);
        this.passBack(again, gradient);
      },
    });
    return tracked;
  }

  /** Records one dispatch; names, fields and constants are checked by the compiler. */
  dispatch<S extends Shader, E extends EntryName<S>>(
    shader: S,
    entry: E,
    args: Arguments<S["entryPoints"][E], Tensor>,
    options: DispatchOptions<S>,
  ): void {
    const reads: Record<string, Tensor> = {}, writes: Record<string, Tensor> = {};
    let uniform: Dispatch["uniform"];
    const values = args as Record<string, unknown>;
    for (const [name, binding] of Object.entries(shader.entryPoints[entry].bindings)) {
      if (binding.kind === "uniform") uniform = { name, values: values[name] as Record<string, number> };
      else (binding.kind === "read" ? reads : writes)[name] = values[name] as Tensor;
    }
    for (const [writer, written] of Object.entries(writes)) {
      for (const [reader, read] of Object.entries(reads)) {
        if (read.storage === written.storage) {
          throw new TypeError(
            `Cannot run "${shader.name}.${entry}": "${reader}" and "${writer}" share the memory of "${read.label}"`,
          );
        }
      }
    }
    const bound = [...Object.values(reads), ...Object.values(writes)];
    const dispatch: Dispatch = {
      shader,
      entry,
      constants: (options.constants ?? {}) as Dispatch["constants"],
      halved: [...halvedAliases(shader, entry, { ...reads, ...writes }), ...options.halved ?? []],
      uniform,
      reads,
      writes,
      workgroups: options.workgroups,
      flops: options.flops ?? 0,
      bytes: options.bytes ?? boundBytes(bound.filter((tensor) => tensor !== this.nothing)),
      phase: this.#phase,
    };
    const instead = this.#instead;
    // What is recorded instead is not intercepted itself.
    if (!instead || !this.intercept(null, () => instead(dispatch))) this.dispatches.push(dispatch);
  }

  /**
   * Declares an op's output and how a gradient passes back through it.
   *
   * @param output what the op wrote
   * @param inputs what it may pass a gradient to; when none is differentiable, nothing is recorded
   * @param backward records the backward dispatches, given the gradient of `output`, by {@link contribute}
   * @returns the output to hand to the next op
   */
  differentiate(output: Tensor, inputs: readonly Tensor[], backward: (gradient: Tensor) => void): Tensor {
    if (!this.tracks(inputs)) return output;
    const tracked = new Tensor(
      output.storage,
      output.shape,
      output.dtype,
      output.offsetBytes,
      true,
      output.label,
    );
    this.#tape.push({ output: tracked, backward });
    return tracked;
  }

  /**
   * Adds a gradient to a tensor during the reverse walk.
   *
   * @param target an input of the op; nothing happens when it is not differentiable
   * @param emit records the dispatch that computes the contribution, plus `addend` unless that is null, and returns it
   */
  contribute(target: Tensor, emit: (addend: Tensor | null) => Tensor): void {
    if (target.differentiable) this.#gradients.set(target, emit(this.#gradients.get(target) ?? null));
  }

  /** A view of `input` under another shape that gradients pass through. */
  reshape(input: Tensor, ...shape: number[]): Tensor {
    const view = input.reshape(...shape);
    return this.differentiate(
      view,
      [input],
      (gradient) => this.passBack(input, gradient.reshape(...input.shape)),
    );
  }

  /** Contributes a gradient that is already there, without a dispatch when it is the first. */
  passBack(target: Tensor, gradient: Tensor): void {
    this.contribute(target, (addend) => {
      if (addend === null) return gradient;
      const sum = this.temporary(`d ${target.label}`, target.shape);
      const workgroups = linearGrid(target.size, 64);
      this.dispatch(add, "forward", { params: { size: target.size }, a: addend, b: gradient, y: sum }, {
        workgroups,
      });
      return sum;
    });
  }

  /**
   * Walks the tape backwards from given output gradients.
   *
   * @param seeds pairs of a tensor and its gradient
   */
  backward(seeds: readonly (readonly [output: Tensor, gradient: Tensor])[]): void {
    for (const [output, gradient] of seeds) this.passBack(output, gradient);
    while (this.#tape.length > 0) {
      const { output, backward } = this.#tape.pop()!;
      const gradient = this.#gradients.get(output);
      if (gradient) backward(gradient);
      this.#gradients.delete(output);
    }
    this.#dropSpare();
  }

  /** Marks what need not be written if, when the reverse walk is over, nothing reads it. */
  spare({ storage }: Tensor): void {
    this.#spare.add(storage);
  }

  #dropSpare(): void {
    if (this.#spare.size === 0) return;
    for (const { reads } of this.dispatches) {
      for (const { storage } of Object.values(reads)) this.#spare.delete(storage);
    }
    const needed = this.dispatches.filter(({ writes }) =>
      !Object.values(writes).every(({ storage }) => this.#spare.has(storage))
    );
    this.dispatches.splice(0, this.dispatches.length, ...needed);
    this.#spare.clear();
  }

  /** The gradient that the reverse walk left at a tensor, or undefined when none reached it. */
  gradient(tensor: Tensor): Tensor | undefined {
    return this.#gradients.get(tensor);
  }
}

/**
 * The aliases of a text under which an entry point is handed half-precision tensors.
 *
 * @throws TypeError when a binding cannot hold them, or two that share an alias are handed different types
 */
function halvedAliases(
  shader: Shader,
  entry: string,
  bound: { readonly [binding: string]: Tensor },
): readonly string[] {
  const types = new Map<string, DType>();
  for (const [name, { dtype, label }] of Object.entries(bound)) {
    const { stored } = shader.entryPoints[entry].bindings[name] as StorageBinding;
    if (dtype === "f16" && !stored) {
      throw new TypeError(
        `Cannot run "${shader.name}.${entry}" on f16: "${label}" is bound to "${name}", which is f32`,
      );
    }
    if (!stored) continue;
    if (types.has(stored) && types.get(stored) !== dtype) {
      throw new TypeError(
        `Cannot run "${shader.name}.${entry}": what is bound as ${stored} must be of one type, "${label}" is ${dtype}`,
      );
    }
    types.set(stored, dtype);
  }
  return [...types].filter(([, dtype]) => dtype === "f16").map(([alias]) => alias);
}
