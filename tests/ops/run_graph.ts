/** Runs a small graph with everything guarded: outputs start as NaN, and sentinels lie behind every buffer. */
import { Graph } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import type { Shape, Tensor } from "../../src/graph/tensor.ts";
import { testDevice } from "../gpu/device.ts";

const SENTINEL = 0x7fc0dead; // a NaN's bits
const GUARD_WORDS = 64;

/** A differentiable input and the host data in it. */
export interface Input {
  readonly shape: Shape;
  readonly data: Float32Array | Uint32Array;
}

/** What a guarded run computed: the output, and the gradient of every f32 input for an output gradient of `seed`. */
export interface GuardedResult {
  readonly output: Float32Array;
  readonly gradients: Map<string, Float32Array>;
}

/**
 * Builds `op` over named inputs, walks it backwards from `seed`, runs it once and reads everything.
 *
 * @throws Error when a sentinel behind a buffer was overwritten
 */
export async function runOp(
  inputs: { readonly [name: string]: Input },
  op: (graph: Graph, tensors: { readonly [name: string]: Tensor }) => Tensor,
  seed?: (output: Tensor) => Float32Array,
): Promise<GuardedResult> {
  const device = await testDevice();
  const graph = new Graph();
  const buffers: GPUBuffer[] = [];
  const guarded = (label: string, words: number, data?: Float32Array | Uint32Array) => {
    const content = new Uint32Array(words + GUARD_WORDS).fill(SENTINEL);
    if (data) content.set(new Uint32Array(data.buffer, data.byteOffset, data.length));
    const buffer = device.createBuffer(label, content.byteLength);
    device.write(buffer, content);
    buffers.push(buffer);
    return { buffer, offsetBytes: 0, sizeBytes: words * 4 };
  };
  const read = async (buffer: GPUBuffer, words: number) => {
    const bytes = await device.read(buffer, 0, (words + GUARD_WORDS) * 4);
    const guard = new Uint32Array(bytes, words * 4);
    if (guard.some((word) => word !== SENTINEL)) {
      throw new Error(`"${buffer.label}" was written past its end`);
    }
    return new Float32Array(bytes.slice(0, words * 4));
  };
  try {
    const tensors: Record<string, Tensor> = {};
    for (const [name, { shape, data }] of Object.entries(inputs)) {
      const dtype = data instanceof Uint32Array ? "u32" : "f32";
      tensors[name] = graph.external(name, shape, guarded(name, data.length, data), {
        dtype,
        differentiable: dtype === "f32",
      });
    }
    const output = op(graph, tensors);
    const outputRange = guarded("output", output.size);
    graph.place(output, outputRange);
    const gradientRanges = new Map<string, { buffer: GPUBuffer; size: number }>();
    if (seed) {
      graph.backward([[output, graph.constant("seed", output.shape, seed(output))]]);
      for (const [name, tensor] of Object.entries(tensors)) {
        const gradient = graph.gradient(tensor);
        if (!gradient) continue;
        const range = guarded(`gradient of ${name}`, gradient.size);
        graph.place(gradient, range);
        gradientRanges.set(name, { buffer: range.buffer, size: gradient.size });
      }
    }
    using program = await Program.compile(device, graph, "test");
    device.submit(program.recording);
    const gradients = new Map<string, Float32Array>();
    for (const [name, { buffer, size }] of gradientRanges) gradients.set(name, await read(buffer, size));
    return { output: await read(outputRange.buffer, output.size), gradients };
  } finally {
    for (const buffer of buffers) device.destroyBuffer(buffer);
  }
}
