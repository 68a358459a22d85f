/** Runs a small graph with every buffer guarded: written memory starts as NaN, and sentinels lie behind every buffer. */
import { Graph, type Target } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import { elementBytes, type Shape, Tensor, type TensorStorage } from "../../src/graph/tensor.ts";
import { testDevice } from "../gpu/device.ts";
import { randomArray } from "../reference/random_array.ts";

const SENTINEL = 0x7fc00100; // a NaN's bits; each buffer adds its number, for NaNs keep their bits through arithmetic
/** The same for half precision: two NaNs. */
const HALF_SENTINEL = 0x7e007e01;
const GUARD_WORDS = 64;

/** A named input: differentiable when it holds f32 or f16. */
export interface Input {
  readonly shape: Shape;
  readonly data: Float32Array | Float16Array | Uint32Array;
}

/** What a guarded run computed: the output, and the gradient of every floating-point input for an output gradient of `seed`. */
export interface GuardedResult {
  readonly output: Float32Array;
  readonly gradients: Map<string, Float32Array>;
}

/** Standard normal numbers, rounded to f32 so that the reference sees what the GPU sees. */
export function randomInput(seed: number, shape: Shape, deviation = 1): Input & { data: Float32Array } {
  const size = shape.reduce((product, length) => product * length, 1);
  return { shape, data: Float32Array.from(randomArray(seed, size, deviation)) };
}

/** The input in half precision, and its rounded numbers as the reference sees them. */
export function halfInput({ shape, data }: Input): { input: Input; data: Float32Array } {
  const halves = new Float16Array(data);
  return { input: { shape, data: halves }, data: new Float32Array(halves) };
}

/**
 * Builds `op` over named inputs, walks it backwards from `seed`, runs it once and reads everything.
 *
 * Bindings are widened over the sentinels, so that a kernel that reads past an end computes NaN and one that writes
 * past it is caught, although WebGPU would drop accesses outside a binding.
 *
 * @param uses how often the op is applied to the same inputs; gradients then sum over the uses
 * @param target what decides between variants; the test device itself when left out
 * @param activations how ops store what products and attention read
 * @throws Error when a sentinel behind a buffer was overwritten
 */
export async function runOp(
  inputs: { readonly [name: string]: Input },
  op: (graph: Graph, tensors: { readonly [name: string]: Tensor }) => Tensor,
  seed?: (output: Tensor) => Float32Array,
  uses = 1,
  target?: Target,
  activations?: "f32" | "f16",
): Promise<GuardedResult> {
  const device = await testDevice();
  const graph = new Graph(target ?? device, { activations });
  const guarded = new Map<TensorStorage, { buffer: GPUBuffer; words: number; sentinel: number }>();
  const guard = (label: string, sizeBytes: number, half: boolean, data?: Input["data"]) => {
    const words = Math.ceil(sizeBytes / 4), sentinel = (half ? HALF_SENTINEL : SENTINEL) + guarded.size;
    const content = new Uint32Array(words + GUARD_WORDS).fill(sentinel);
    if (data) {
      new Uint8Array(content.buffer).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    const buffer = device.createBuffer(label, content.byteLength);
    device.write(buffer, content);
    return { buffer, words, sentinel };
  };
  const rangeOf = ({ buffer }: { buffer: GPUBuffer }) => ({ buffer, offsetBytes: 0, sizeBytes: buffer.size });
  const tensors: Record<string, Tensor> = {};
  for (const [name, { shape, data }] of Object.entries(inputs)) {
    const dtype = data instanceof Uint32Array ? "u32" : data instanceof Float32Array ? "f32" : "f16";
    const buffer = guard(name, data.byteLength, dtype === "f16", data);
    const tensor = graph.external(name, shape, rangeOf(buffer), { dtype, differentiable: dtype !== "u32" });
    guarded.set(tensor.storage, buffer);
    tensors[name] = tensor;
  }
  const outputs = Array.from({ length: uses }, () => op(graph, tensors));
  if (seed) {
    const gradient = graph.constant("seed", outputs[0].shape, seed(outputs[0]));
    graph.backward(outputs.map((output) => [output, gradient]));
  }
  const place = (tensor: Tensor, data?: Input["data"]) => {
    const { label, storage, dtype } = tensor;
    if (storage.range || tensor === graph.nothing) return;
    const buffer = guard(label, storage.sizeBytes, dtype === "f16", data);
    graph.place(tensor, rangeOf(buffer));
    guarded.set(storage, buffer);
  };
  const widen = (bindings: { readonly [name: string]: Tensor }) => {
    const wide = Object.entries(bindings).map(([name, tensor]) => {
      const { storage, dtype, offsetBytes } = tensor, words = guarded.get(storage)?.words;
      if (!words) return [name, tensor];
      const count = ((words + GUARD_WORDS) * 4 - offsetBytes) / elementBytes(dtype);
      return [name, new Tensor(storage, [count], dtype, offsetBytes)];
    });
    return Object.fromEntries(wide);
  };
  for (const { tensor, data } of graph.constants) place(tensor, data as Input["data"]);
  graph.dispatches.forEach((dispatch, at) => {
    for (const tensor of [...Object.values(dispatch.reads), ...Object.values(dispatch.writes)]) place(tensor);
    graph.dispatches[at] = { ...dispatch, reads: widen(dispatch.reads), writes: widen(dispatch.writes) };
  });
  try {
    using program = await Program.compile(device, graph, "test");
    device.submit(program.recording);
    const contents = new Map<TensorStorage, ArrayBuffer>();
    await Promise.all([...guarded].map(async ([storage, { buffer, words, sentinel }]) => {
      const bytes = await device.read(buffer, 0, buffer.size);
      if (new Uint32Array(bytes, words * 4, GUARD_WORDS).some((word) => word !== sentinel)) {
        throw new Error(`"${storage.label}" was written past its end`);
      }
      contents.set(storage, bytes);
    }));
    const valuesOf = ({ storage, offsetBytes, size, dtype }: Tensor) => {
      const bytes = contents.get(storage)!;
      return dtype === "f16"
        ? new Float32Array(new Float16Array(bytes, offsetBytes, size))
        : new Float32Array(bytes, offsetBytes, size);
    };
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
