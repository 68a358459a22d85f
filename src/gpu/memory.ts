/**
 * Where buffers come from: the device, or paper, on which a step can be planned without taking any memory.
 *
 * @module
 */

import type { AdapterTraits, BufferRange, HostArray } from "./device.ts";

/** What a step is recorded for; a `Device` is one. */
export interface PlanTarget {
  /** What decides which variant of a kernel to run. */
  readonly traits: AdapterTraits;
  /** Winners of measured choices between variants, by class of shapes. */
  readonly tuned: ReadonlyMap<string, string>;
  /** The most bytes that one binding may span. */
  readonly maxBindingBytes: number;
}

/** What makes and frees buffers and moves data in and out; a `Device` is one. */
export interface Memory extends PlanTarget {
  /** A zeroed buffer. */
  createBuffer(label: string, sizeBytes: number): GPUBuffer;
  /** Frees a buffer. */
  destroyBuffer(buffer: GPUBuffer): void;
  /** Writes host data into a buffer. */
  write(buffer: GPUBuffer, data: HostArray, offsetBytes?: number): void;
  /** Copies a range of a buffer to the host. */
  read(buffer: GPUBuffer, offsetBytes: number, sizeBytes: number): Promise<ArrayBuffer>;
}

/** Bytes that a buffer takes: whole vectors of four words, at least one. */
export function bufferBytes(sizeBytes: number): number {
  return Math.max(16, Math.ceil(sizeBytes / 16) * 16);
}

/** A buffer of a whole range. */
export function allocate(memory: Memory, label: string, sizeBytes: number): BufferRange {
  return { buffer: memory.createBuffer(label, sizeBytes), offsetBytes: 0, sizeBytes };
}

/**
 * Memory that only writes down what it is asked for. Its buffers have a label and a size and nothing else: a graph can
 * be recorded over them, not compiled. What exceeds the limit is written down too, so that a plan can name all of it.
 */
export class PlannedMemory implements Memory {
  /** What was asked for, in order. */
  readonly buffers: { readonly label: string; readonly sizeBytes: number }[] = [];

  /** What decides which variant of a kernel to run. */
  readonly traits: AdapterTraits;
  /** Winners of measured choices between variants, by class of shapes. */
  readonly tuned: ReadonlyMap<string, string>;
  /** The most bytes that one binding may span. */
  readonly maxBindingBytes: number;

  /** Paper for an adapter. */
  constructor({ traits, tuned, maxBindingBytes }: PlanTarget) {
    this.traits = traits;
    this.tuned = tuned;
    this.maxBindingBytes = maxBindingBytes;
  }

  /** Bytes of all buffers. */
  get allocatedBytes(): number {
    return this.buffers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** A stand-in for a buffer. */
  createBuffer(label: string, sizeBytes: number): GPUBuffer {
    const size = bufferBytes(sizeBytes);
    this.buffers.push({ label, sizeBytes: size });
    return { label, size } as GPUBuffer;
  }

  /** Does nothing: a plan is dropped as a whole. */
  destroyBuffer(_: GPUBuffer): void {}

  /** @throws Error always: there is no memory behind a plan */
  write(buffer: GPUBuffer): void {
    throw new Error(`Cannot write "${buffer.label}": it is only planned`);
  }

  /** @throws Error always: there is no memory behind a plan */
  read(buffer: GPUBuffer): Promise<ArrayBuffer> {
    return Promise.reject(new Error(`Cannot read "${buffer.label}": it is only planned`));
  }
}

/** A number of bytes with three digits and its unit: 1.5 GiB. */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]] as const) {
    if (bytes >= size) return `${Number((bytes / size).toPrecision(bytes / size >= 1000 ? 4 : 3))} ${unit}`;
  }
  return `${bytes} bytes`;
}
