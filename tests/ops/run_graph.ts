/** Runs a small graph with every buffer guarded: written memory starts as NaN, and sentinels lie behind every buffer. */
import { Graph, type Target } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import { type Shape, Tensor, type TensorStorage } from "../../src/graph/tensor.ts";
import { testDevice } from "../gpu/device.ts";
import { randomArray } from "../reference/random_array.ts";

const SENTINEL = 0x7fc00100; // a NaN's bits; each buffer adds its number, for NaNs keep their bits through arithmetic
const GUARD_WORDS = 64;

/** A named input: differentiable when it holds f32. */
export interface Input {
  readonly shape: Shape;
  readonly data: Float32Array | Uint32Array;
}

/** What a guarded run computed: the output, and the gradient of every f32 input for an output gradient of `seed`. */
export interface GuardedResult {
  readonly output: Float32Array;
  readonly gradients: Map<string, Float32Array>;
}

/** Standard normal numbers, rounded to f32 so that the reference sees what the GPU sees. */
export function randomInput(seed: number, shape: Shape, deviation = 1): Input & { data: Float32Array } {
  const size = shape.reduce((product, length) => product * length, 1);
  return { shape, data: Float32Array.from(randomArray(seed, size, deviation)) };
}

/**
 * Builds `op` over named inputs, walks it backwards from `seed`, runs it once and reads everything.
 *
 * Bindings are widened over the sentinels, so that a kernel that reads past an end computes NaN and one that writes
 * past it is caught, although WebGPU would drop accesses outside a binding.
 *
 * @param uses how often the op is applied to the same inputs; gradients then sum over the uses
 * @param target what decides between variants; the test device itself when left out
 * @throws Error when a sentinel behind a buffer was overwritten
 */
export async function runOp(
  inputs: { readonly [name: string]: Input },
  op: (graph: Graph, tensors: { readonly [name: string]: Tensor }) => Tensor,
  seed?: (output: Tensor) => Float32Array,
  uses = 1,
  target?: Target,
): Promise<GuardedResult> {
  const device = await testDevice();
  const graph = new Graph(target ?? device);
  const guarded = new Map<TensorStorage, { buffer: GPUBuffer; words: number; sentinel: number }>();
  const guard = (label: string, words: number, data?: Float32Array | Uint32Array) => {
    const sentinel = SENTINEL + guarded.size;
    const content = new Uint32Array(words + GUARD_WORDS).fill(sentinel);
    if (data) content.set(new Uint32Array(data.buffer, data.byteOffset, data.length));
    const buffer = device.createBuffer(label, content.byteLength);
    device.write(buffer, content);
    return { buffer, words, sentinel };
  };
  const rangeOf = ({ buffer }: { buffer: GPUBuffer }) => ({ buffer, offsetBytes: 0, sizeBytes: buffer.size });
  const tensors: Record<string, Tensor> = {};
  for (const [name, { shape, data }] of Object.entries(inputs)) {
    const dtype = data instanceof Uint32Array ? "u32" : "f32";
    const buffer = guard(name, data.length, data);
    const tensor = graph.external(name, shape, rangeOf(buffer), { dtype, differentiable: dtype === "f32" });
    guarded.set(tensor.storage, buffer);
    tensors[name] = tensor;
  }
  const outputs = Array.from({ length: uses }, () => op(graph, tensors));
  if (seed) {
    const gradient = graph.constant("seed", outputs[0].shape, seed(outputs[0]));
    graph.backward(outputs.map((output) => [output, gradient]));
  }
  const place = (tensor: Tensor, data?: Float32Array | Uint32Array) => {
    const { label, storage } = tensor;
    if (storage.range || tensor === graph.nothing) return;
    const buffer = guard(label, storage.sizeBytes / 4, data);
    graph.place(tensor, rangeOf(buffer));
    guarded.set(storage, buffer);
  };
  const widen = (bindings: { readonly [name: string]: Tensor }) => {
    const wide = Object.entries(bindings).map(([name, tensor]) => {
      const { storage, dtype, offsetBytes } = tensor, words = guarded.get(storage)?.words;
      if (!words) return [name, tensor];
      return [name, new Tensor(storage, [words + GUARD_WORDS - offsetBytes / 4], dtype, offsetBytes)];
    });
    return Object.fromEntries(wide);
  };
  for (const { tensor, data } of graph.constants) place(tensor, data as Float32Array | Uint32Array);
  graph.dispatches.forEach((dispatch, at) => {
    for (const tensor of [...Object.values(dispatch.reads), ...Object.values(dispatch.writes)]) place(tensor);
    graph.dispatches[at] = { ...dispatch, reads: widen(dispatch.reads), writes: widen(dispatch.writes) };
  });
  try {
    using program = await Program.compile(device, graph, "test");
    device.submit(program.recording);
    const contents = new Map<TensorStorage, Float32Array>();
    await Promise.all([...guarded].map(async ([storage, { buffer, words, sentinel }]) => {
      const bytes = await device.read(buffer, 0, buffer.size);
      if (new Uint32Array(bytes, words * 4, GUARD_WORDS).some((word) => word !== sentinel)) {
        throw new Error(`"${storage.label}" was written past its end`);
      }
      contents.set(storage, new Float32Array(bytes.slice(0, words * 4)));
    }));
    const valuesOf = ({ storage, offsetBytes, size }: Tensor) =>
      contents.get(storage)!.subarray(offsetBytes / 4, offsetBytes / 4 + size);
    const gradients = new Map<string, Float32Array>();
    for (const [name, tensor] of Object.entries(tensors)) {
      const gradient = graph.gradient(tensor);
      if (gradient) gradients.set(name, valuesOf(gradient));
    }
    return { output: valuesOf(outputs[0]), gradients };
  } finally {
    for (const { buffer } of guarded.values()) device.destroyBuffer(buffer);
  }
}
