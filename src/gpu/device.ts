/**
 * The one GPU of a process: adapter, limits, buffers, uploads, submits and read-backs.
 *
 * Nothing outside `src/gpu` touches WebGPU itself.
 *
 * @module
 */

import { Kernel } from "./kernel.ts";
import { bufferBytes } from "./memory.ts";
import type { Recording } from "./recorder.ts";
import type { Shader } from "./shader.ts";
import type { ConstantValues } from "./specialize.ts";

/** Typed arrays that a buffer can be written from. */
export type HostArray = Float32Array | Float16Array | Uint32Array | Int32Array | Uint8Array;

/** A range of a GPU buffer. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** What `superbatch info` prints and reports name. */
export interface AdapterSummary {
  /** The adapter's own description, such as `llvmpipe (LLVM 15.0.6, 256 bits)`. */
  description: string;
  /** PCI vendor number or name, as the driver gives it. */
  vendor: string;
  /** WebGPU features that the adapter offers, sorted. */
  features: string[];
  /** The limits that the device was opened with; sizes in bytes. */
  limits: Record<string, number>;
}

/** What decides which variant of a kernel an adapter should run. */
export interface AdapterTraits {
  /** The adapter is a program on the CPU, where reads cost much more than arithmetic. */
  readonly software: boolean;
  /** Invocations of a subgroup, when they can exchange values and their number is fixed; else null. */
  readonly subgroupSize: number | null;
  /** Bytes of workgroup memory that a kernel may use. */
  readonly workgroupBytes: number;
  /** Invocations that a workgroup may have. */
  readonly workgroupInvocations: number;
  /** Kernels may keep numbers in half precision (`shader-f16`). */
  readonly halfPrecision: boolean;
}

/** What every WebGPU adapter can do. */
export const portableTraits: AdapterTraits = {
  software: false,
  subgroupSize: null,
  workgroupBytes: 16384,
  workgroupInvocations: 256,
  halfPrecision: false,
};

/** Counts of what a device was asked for; tests hold a step against them. */
export interface DeviceCounters {
  /** Command buffers handed to the GPU for work; copies for read-backs are not counted. */
  submits: number;
  /** Dispatches in them. */
  dispatches: number;
  /** Copies to the host, each of which waits for the GPU. */
  readBacks: number;
  /** GPU buffers made. */
  buffersCreated: number;
  /** Bind groups made. */
  bindGroupsCreated: number;
  /** Pipelines compiled. */
  pipelinesCreated: number;
  /** Bytes of the buffers that are alive. */
  allocatedBytes: number;
}

/** No adapter could be opened; the message says what to install. */
export class NoAdapterError extends Error {
  /** The error's kind. */
  override name = "NoAdapterError";
}

/** A feature that a device has where its adapter offers it. */
export type OptionalFeature = "timestamp-query" | "shader-f16";

const wantedFeatures: readonly OptionalFeature[] = ["timestamp-query", "shader-f16"];

const wantedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
] as const;

/** Offsets of bindings are multiples of this on every adapter. */
export const BINDING_ALIGNMENT = 256;

/** Rounds a byte count up to a multiple of {@link BINDING_ALIGNMENT}. */
export function alignBinding(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BINDING_ALIGNMENT) * BINDING_ALIGNMENT;
}

/**
 * An open GPU.
 *
 * @example
 * ```ts
 * import { Device } from "@superbatch/superbatch";
 * using device = await Device.open();
 * console.log(device.adapter.description);
 * ```
 */
export class Device implements Disposable {
  /** Which adapter this is and what it offers. */
  readonly adapter: AdapterSummary;
  /** What this device was asked for so far. */
  readonly counters: DeviceCounters = {
    submits: 0,
    dispatches: 0,
    readBacks: 0,
    buffersCreated: 0,
    bindGroupsCreated: 0,
    pipelinesCreated: 0,
    allocatedBytes: 0,
  };
  /** What decides which variant of a kernel to run. */
  readonly traits: AdapterTraits;
  /** Winners of measured choices between variants, by class of shapes; `tune` fills it. */
  readonly tuned: Map<string, string> = new Map();
  readonly #kernels = new Map<string, Kernel>();
  readonly #live = new Set<GPUBuffer>();
  #failure: Error | undefined;

  private constructor(
    /** @internal */ readonly gpu: GPUDevice,
    adapter: GPUAdapter,
  ) {
    this.adapter = summarise(adapter, gpu);
    this.traits = traitsOf(adapter, gpu, this.adapter.description);
    gpu.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#failure ??= new Error(`The GPU reported: ${(event as GPUUncapturedErrorEvent).error.message}`);
    });
    gpu.lost.then((info) => {
      if (info.reason !== "destroyed") this.#failure ??= new Error(`The GPU was lost: ${info.message}`);
    });
  }

  /**
   * Opens the adapter that the system offers, with all the limits that it offers.
   *
   * @param options.without optional features to do without, as on an adapter that lacks them
   * @throws {NoAdapterError} when WebGPU is missing or offers no adapter
   */
  static async open({ without = [] }: { without?: readonly OptionalFeature[] } = {}): Promise<Device> {
    if (!globalThis.navigator?.gpu) {
      throw new NoAdapterError(
        "This runtime has no WebGPU. Use Deno 2.9 or later, or a browser with WebGPU switched on.",
      );
    }
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) {
      throw new NoAdapterError(
        "No GPU adapter was found. Install a Vulkan driver for the GPU, or Mesa's software driver " +
          "(Debian, Ubuntu: sudo apt-get install mesa-vulkan-drivers libvulkan1); ./superbatch train installs it by itself.",
      );
    }
    const requiredLimits: Record<string, number> = {};
    for (const name of wantedLimits) requiredLimits[name] = adapter.limits[name];
    const requiredFeatures: GPUFeatureName[] = wantedFeatures.filter((feature) =>
      adapter.features.has(feature) && !without.includes(feature)
    );
    const request = (features: GPUFeatureName[]) =>
      adapter.requestDevice({ requiredLimits, requiredFeatures: features });
    // Deno grants subgroups without listing them among the adapter's features, so asking is the only way to know.
    const gpu = await request([...requiredFeatures, "subgroups"]).catch(() => request(requiredFeatures));
    return new Device(gpu, adapter);
  }

  /** Whether an optional feature was granted. */
  has(feature: OptionalFeature): boolean {
    return this.gpu.features.has(feature);
  }

  /** The most bytes that one binding may span. */
  get maxBindingBytes(): number {
    return Math.min(this.gpu.limits.maxStorageBufferBindingSize, this.gpu.limits.maxBufferSize);
  }

  /**
   * A zeroed buffer that kernels, uploads and read-backs can use.
   *
   * @throws RangeError when the adapter cannot bind that many bytes
   */
  createBuffer(label: string, sizeBytes: number, extraUsage = 0): GPUBuffer {
    if (sizeBytes > this.maxBindingBytes) {
      throw new RangeError(
        `Cannot allocate "${label}": it takes ${sizeBytes} bytes, and this adapter binds at most ` +
          `${this.maxBindingBytes}. Use a smaller batch, image or model.`,
      );
    }
    const size = bufferBytes(sizeBytes);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST | extraUsage;
    const buffer = this.gpu.createBuffer({ label, size, usage });
    this.counters.buffersCreated++;
    this.counters.allocatedBytes += size;
    this.#live.add(buffer);
    return buffer;
  }

  /** Frees a buffer. Work already submitted may still use it. */
  destroyBuffer(buffer: GPUBuffer): void {
    if (!this.#live.delete(buffer)) return;
    this.counters.allocatedBytes -= buffer.size;
    buffer.destroy();
  }

  /**
   * Writes host data into a buffer, after the work submitted so far and before the work submitted next.
   *
   * @internal
   */
  write(buffer: GPUBuffer, data: HostArray, offsetBytes = 0): void {
    const { buffer: host, byteOffset, byteLength } = data;
    if (byteLength % 4 === 0) {
      this.gpu.queue.writeBuffer(buffer, offsetBytes, host as ArrayBuffer, byteOffset, byteLength);
    } else {
      const padded = new Uint8Array(Math.ceil(byteLength / 4) * 4);
      padded.set(new Uint8Array(host, byteOffset, byteLength));
      this.gpu.queue.writeBuffer(buffer, offsetBytes, padded);
    }
  }

  /**
   * The kernel of an entry point with its constants set and its `halved` aliases in half precision; compiled once.
   *
   * @internal
   */
  kernel(shader: Shader, entry: string, constants: ConstantValues, halved: readonly string[] = []): Kernel {
    const key = `${shader.name}.${entry} ${JSON.stringify(constants)} ${halved}`;
    let kernel = this.#kernels.get(key);
    if (!kernel) {
      kernel = new Kernel(this, shader, entry, constants, halved);
      this.#kernels.set(key, kernel);
    }
    return kernel;
  }

  /**
   * Runs recordings one after the other: one command buffer, one compute pass, one submit.
   *
   * @internal
   */
  submit(...recordings: Recording[]): void {
    this.check();
    const encoder = this.gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const recording of recordings) {
      recording.encode(pass);
      this.counters.dispatches += recording.length;
    }
    pass.end();
    this.gpu.queue.submit([encoder.finish()]);
    this.counters.submits++;
  }

  /**
   * Copies a range of a buffer to the host. Waits for the GPU: never inside a step.
   *
   * @param offsetBytes a multiple of 4
   * @param sizeBytes a multiple of 4
   */
  async read(buffer: GPUBuffer, offsetBytes: number, sizeBytes: number): Promise<ArrayBuffer> {
    this.check();
    this.counters.readBacks++;
    const staging = this.gpu.createBuffer({
      label: "read-back",
      size: sizeBytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    try {
      const encoder = this.gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, offsetBytes, staging, 0, sizeBytes);
      this.gpu.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      this.check();
      return staging.getMappedRange().slice(0);
    } finally {
      staging.destroy();
    }
  }

  /** Waits until everything submitted has run. */
  async finish(): Promise<void> {
    await this.gpu.queue.onSubmittedWorkDone();
    this.check();
  }

  /**
   * Runs `build` and waits for the validation of all that it made.
   *
   * @throws Error with the GPU's own message when something was refused
   */
  async validated<T>(what: string, build: () => T): Promise<T> {
    this.gpu.pushErrorScope("validation");
    this.gpu.pushErrorScope("out-of-memory");
    let result: T;
    let outOfMemory: GPUError | null, invalid: GPUError | null;
    try {
      result = build();
    } finally {
      outOfMemory = await this.gpu.popErrorScope();
      invalid = await this.gpu.popErrorScope();
    }
    if (outOfMemory) {
      throw new RangeError(`The GPU has too little memory for ${what}. Use a smaller batch, image or model.`);
    }
    if (invalid) throw new Error(`The GPU refused ${what}: ${invalid.message}`);
    return result;
  }

  /**
   * Throws the first error that the GPU reported outside any scope, if there was one.
   *
   * @throws Error with the GPU's own message
   */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Frees everything. The device cannot be used afterwards. */
  [Symbol.dispose](): void {
    for (const buffer of this.#live) buffer.destroy();
    this.#live.clear();
    this.gpu.destroy();
  }
}

const softwareAdapters = /llvmpipe|lavapipe|swiftshader|basic render/i;

function traitsOf({ info }: GPUAdapter, gpu: GPUDevice, description: string): AdapterTraits {
  const { subgroupMinSize, subgroupMaxSize } = info;
  const fixed = gpu.features.has("subgroups") && subgroupMinSize === subgroupMaxSize;
  return {
    software: softwareAdapters.test(`${description} ${info.device} ${info.architecture}`),
    subgroupSize: fixed && subgroupMinSize > 0 ? subgroupMinSize : null,
    workgroupBytes: gpu.limits.maxComputeWorkgroupStorageSize,
    workgroupInvocations: gpu.limits.maxComputeInvocationsPerWorkgroup,
    halfPrecision: gpu.features.has("shader-f16"),
  };
}

function summarise(adapter: GPUAdapter, gpu: GPUDevice): AdapterSummary {
  const limits: Record<string, number> = {};
  for (const name of wantedLimits) limits[name] = gpu.limits[name];
  const { description, vendor, device } = adapter.info;
  return {
    description: description || device || "unnamed adapter",
    vendor,
    features: [...adapter.features].toSorted(),
    limits,
  };
}
