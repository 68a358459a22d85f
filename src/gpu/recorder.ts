/**
 * A fixed list of dispatches whose bind groups are built once and replayed every step.
 *
 * @module
 */

import { alignBinding, type BufferRange, type Device } from "./device.ts";
import { type Kernel, packUniform } from "./kernel.ts";
import type { UniformBinding } from "./shader.ts";

/** Numbers of workgroups along x, y and z. */
export type Workgroups = readonly [x: number, y: number, z: number];

/** One dispatch, ready to be bound. */
export interface Command {
  readonly kernel: Kernel;
  readonly workgroups: Workgroups;
  /** A range for every storage binding. */
  readonly ranges: { readonly [name: string]: BufferRange };
  /** The uniform block and the values of its fields, if the entry point has one. */
  readonly uniform?: { name: string; binding: UniformBinding; values: { readonly [field: string]: number } };
}

interface BoundCommand {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: Workgroups;
}

/** A replayable list of dispatches. */
export class Recording implements Disposable {
  readonly #commands: BoundCommand[];
  readonly #device: Device;
  readonly #uniforms: GPUBuffer;

  /** Builds all bind groups; the uniform blocks go into one buffer. */
  constructor(device: Device, label: string, commands: readonly Command[]) {
    let uniformBytes = 0;
    const offsets = commands.map(({ uniform }) => {
      const offset = uniformBytes;
      if (uniform) uniformBytes += alignBinding(uniform.binding.sizeBytes);
      return offset;
    });
    const packed = new Uint8Array(uniformBytes);
    const uniforms = device.createBuffer(`${label} uniforms`, uniformBytes, GPUBufferUsage.UNIFORM);
    this.#device = device;
    this.#uniforms = uniforms;
    this.#commands = commands.map(({ kernel, workgroups, ranges, uniform }, index) => {
      if (!uniform) {
        return { label: kernel.label, pipeline: kernel.pipeline, bindGroup: kernel.bind(ranges), workgroups };
      }
      packed.set(packUniform(uniform.binding, uniform.values), offsets[index]);
      const range = { buffer: uniforms, offsetBytes: offsets[index], sizeBytes: uniform.binding.sizeBytes };
      const bindGroup = kernel.bind({ ...ranges, [uniform.name]: range });
      return { label: kernel.label, pipeline: kernel.pipeline, bindGroup, workgroups };
    });
    if (uniformBytes > 0) device.write(uniforms, packed);
  }

  /** `shader.entry` of every dispatch, for the profiler. */
  get labels(): string[] {
    return this.#commands.map(({ label }) => label);
  }

  /** Number of dispatches. */
  get length(): number {
    return this.#commands.length;
  }

  /** Frees the uniform blocks. */
  [Symbol.dispose](): void {
    this.#device.destroyBuffer(this.#uniforms);
  }

  /** Writes all dispatches, or those of `from` … `to` − 1, into a compute pass. */
  encode(pass: GPUComputePassEncoder, from = 0, to: number = this.#commands.length): void {
    let current: GPUComputePipeline | undefined;
    for (let index = from; index < to; index++) {
      const { pipeline, bindGroup, workgroups } = this.#commands[index];
      if (pipeline !== current) pass.setPipeline(current = pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
    }
  }
}

const MAX_WORKGROUPS = 65535;

/**
 * A grid of workgroups for `size` independent elements; kernels find theirs as
 * `id.y * num_workgroups.x * WORKGROUP + id.x` and return when it is past the end.
 *
 * @param size number of elements
 * @param perWorkgroup elements that one workgroup handles
 */
export function linearGrid(size: number, perWorkgroup: number): Workgroups {
  const groups = Math.max(1, Math.ceil(size / perWorkgroup));
  const rows = Math.ceil(groups / MAX_WORKGROUPS);
  return [Math.ceil(groups / rows), rows, 1];
}
