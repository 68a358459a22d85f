/**
 * A compiled entry point whose resources are bound by the names that its WGSL gives them.
 *
 * @module
 */

import type { BufferRange, Device } from "./device.ts";
import type { EntryPoint, Shader, UniformBinding } from "./shader.ts";
import { type ConstantValues, specialize } from "./specialize.ts";

/** One entry point of one shader with its constants set. */
export class Kernel {
  /** `shader.entry`, for labels and the profiler. */
  readonly label: string;
  /** @internal */ readonly pipeline: GPUComputePipeline;
  readonly #device: Device;
  readonly #layout: GPUBindGroupLayout;
  readonly #entry: EntryPoint;

  /** Compiles, with the `halved` aliases in half precision; whether the GPU accepts it is known at the end of `Device.validated`. */
  constructor(
    device: Device,
    shader: Shader,
    entryName: string,
    constants: ConstantValues,
    halved: readonly string[] = [],
  ) {
    this.#device = device;
    this.label = `${shader.name}.${entryName}`;
    this.#entry = shader.entryPoints[entryName];
    const text = specialize(shader.source, constants, halved);
    const code = enableLines(text) + text;
    const { gpu } = device;
    this.#layout = gpu.createBindGroupLayout({
      label: this.label,
      entries: Object.values(this.#entry.bindings).map(({ kind, index }) => ({
        binding: index,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: kind === "uniform" ? "uniform" : kind === "read" ? "read-only-storage" : "storage" },
      })),
    });
    this.pipeline = gpu.createComputePipeline({
      label: this.label,
      layout: gpu.createPipelineLayout({ bindGroupLayouts: [this.#layout] }),
      compute: { module: gpu.createShaderModule({ label: this.label, code }), entryPoint: entryName },
    });
    device.counters.pipelinesCreated++;
  }

  /**
   * A bind group from a buffer range for every binding.
   *
   * @throws TypeError when a binding is missing
   */
  bind(ranges: { readonly [name: string]: BufferRange }): GPUBindGroup {
    const entries = Object.entries(this.#entry.bindings).map(([name, { index }]) => {
      const range = ranges[name];
      if (!range) throw new TypeError(`Cannot call "${this.label}": nothing is bound to "${name}"`);
      return {
        binding: index,
        resource: {
          buffer: range.buffer,
          offset: range.offsetBytes,
          size: Math.ceil(range.sizeBytes / 4) * 4,
        },
      };
    });
    this.#device.counters.bindGroupsCreated++;
    return this.#device.gpu.createBindGroup({ label: this.label, layout: this.#layout, entries });
  }
}

/**
 * The `enable` lines that a text needs in this runtime. WGSL wants one for half precision, and one for subgroups; but
 * these Deno's compiler has without, and refuses the line.
 */
export function enableLines(source: string, inDeno: boolean = Object.hasOwn(globalThis, "Deno")): string {
  const half = /\b(f16|vec[234]h)\b/.test(source) ? "enable f16;\n" : "";
  return /\bsubgroup\w+\(/.test(source) && !inDeno ? `${half}enable subgroups;\n` : half;
}

/** The bytes of a uniform block. */
export function packUniform(
  binding: UniformBinding,
  values: { readonly [field: string]: number },
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(binding.sizeBytes);
  const view = new DataView(bytes.buffer);
  for (const [name, { offsetBytes, type }] of Object.entries(binding.fields)) {
    const value = values[name];
    if (value === undefined) throw new TypeError(`The uniform field "${name}" has no value`);
    if (type === "f32") view.setFloat32(offsetBytes, value, true);
    else if (type === "i32") view.setInt32(offsetBytes, value, true);
    else if (value < 0 || value > 0xffffffff || !Number.isInteger(value)) {
      throw new RangeError(`The uniform field "${name}" is u32 and cannot hold ${value}`);
    } else view.setUint32(offsetBytes, value, true);
  }
  return bytes;
}
