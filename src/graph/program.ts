/**
 * A compiled graph: memory planned, kernels compiled, bind groups built. Replayed by one call a step.
 *
 * @module
 */

import { alignBinding, type BufferRange, type Device } from "../gpu/device.ts";
import { type Command, Recording } from "../gpu/recorder.ts";
import type { UniformBinding } from "../gpu/shader.ts";
import type { Dispatch, Graph } from "./graph.ts";
import { type MemoryPlan, planMemory } from "./memory_plan.ts";
import type { Tensor, TensorStorage } from "./tensor.ts";

/** A fixed list of dispatches over planned memory. */
export class Program implements Disposable {
  private constructor(
    readonly label: string,
    /** What `Device.submit` takes. */
    readonly recording: Recording,
    /** Where the temporaries lie. */
    readonly plan: MemoryPlan,
    /** What the program runs, in order. */
    readonly dispatches: readonly Dispatch[],
    private readonly device: Device,
    private readonly buffers: readonly GPUBuffer[],
  ) {}

  /**
   * Compiles a finished graph.
   *
   * @throws RangeError when a temporary is larger than the adapter can bind, or memory runs out
   * @throws Error when the GPU refuses a kernel
   */
  static async compile(device: Device, graph: Graph, label: string): Promise<Program> {
    const plan = planMemory(graph);
    const buffers: GPUBuffer[] = [];
    try {
      return await device.validated(`the program "${label}"`, () => {
        const places = new Map<TensorStorage, BufferRange>();
        const allocate = (name: string, sizeBytes: number): BufferRange => {
          const buffer = device.createBuffer(name, sizeBytes);
          buffers.push(buffer);
          return { buffer, offsetBytes: 0, sizeBytes: buffer.size };
        };
        for (const { sizeBytes, lifetimes } of plan.slots) {
          const range = allocate(lifetimes[0].storage.label, sizeBytes);
          for (const { storage } of lifetimes) places.set(storage, range);
        }
        places.set(graph.nothing.storage, allocate("nothing", 16));
        for (const { tensor: { storage }, data } of graph.constants) {
          const { buffer, offsetBytes } = storage.range ?? places.get(storage)!;
          device.write(buffer, data, offsetBytes);
        }
        const commands = graph.dispatches.map((dispatch) => command(device, dispatch, places));
        const recording = new Recording(device, label, commands);
        return new Program(
          label,
          recording,
          plan,
          graph.dispatches,
          device,
          buffers,
        );
      });
    } catch (error) {
      for (const buffer of buffers) device.destroyBuffer(buffer);
      throw error;
    }
  }

  /** Floating-point operations of one run, over the dispatches of one phase or of all. */
  flops(phase?: string): number {
    return this.dispatches
      .filter((dispatch) => phase === undefined || dispatch.phase === phase)
      .reduce((sum, dispatch) => sum + dispatch.flops, 0);
  }

  /** Frees the planned memory. */
  [Symbol.dispose](): void {
    for (const buffer of this.buffers) this.device.destroyBuffer(buffer);
    this.recording[Symbol.dispose]();
  }
}

/** Bytes of the uniform blocks of a graph's dispatches. */
export function uniformBytes({ dispatches }: Graph): number {
  return dispatches.reduce((sum, dispatch) => {
    const binding = uniformBinding(dispatch);
    return binding ? sum + alignBinding(binding.sizeBytes) : sum;
  }, 0);
}

function uniformBinding({ shader, entry, uniform }: Dispatch): UniformBinding | null {
  return uniform ? shader.entryPoints[entry].bindings[uniform.name] as UniformBinding : null;
}

function command(
  device: Device,
  dispatch: Dispatch,
  places: ReadonlyMap<TensorStorage, BufferRange>,
): Command {
  const { shader, entry, constants, halved, uniform, reads, writes, workgroups } = dispatch;
  const ranges: Record<string, BufferRange> = {};
  for (const [name, tensor] of [...Object.entries(reads), ...Object.entries(writes)]) {
    ranges[name] = rangeOf(tensor, places);
  }
  const kernel = device.kernel(shader, entry, constants, halved);
  const binding = uniformBinding(dispatch);
  if (!uniform || !binding) return { kernel, workgroups, ranges };
  return { kernel, workgroups, ranges, uniform: { name: uniform.name, binding, values: uniform.values } };
}

function rangeOf(tensor: Tensor, places: ReadonlyMap<TensorStorage, BufferRange>): BufferRange {
  const place = tensor.storage.range ?? places.get(tensor.storage)!;
  // vec4 bindings need whole vectors; ranges within a larger buffer stay inside their own 16-byte grid.
  const sizeBytes = Math.min(Math.ceil(tensor.sizeBytes / 16) * 16, place.sizeBytes - tensor.offsetBytes);
  return { buffer: place.buffer, offsetBytes: place.offsetBytes + tensor.offsetBytes, sizeBytes };
}
