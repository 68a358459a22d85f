/**
 * Symbolic tensors: a shape, a type and a place in a storage that the memory plan will find room for.
 *
 * @module
 */

import type { BufferRange } from "../gpu/device.ts";

/** Element type. */
export type DType = "f32" | "u32" | "f16";

/** Bytes that one element takes. */
export function elementBytes(dtype: DType): number {
  return dtype === "f16" ? 2 : 4;
}

/** Lengths of a row-major tensor's axes, outermost first. */
export type Shape = readonly number[];

/** Number of elements of a shape. */
export function elementCount(shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1);
}

/**
 * The memory behind one tensor and its views: a buffer range that outlives the program, or (when `range` is undefined)
 * a temporary that the memory plan places.
 */
export class TensorStorage {
  constructor(readonly label: string, readonly sizeBytes: number, public range?: BufferRange) {}
}

/** A row-major array in GPU memory that a graph reads and writes. */
export class Tensor {
  constructor(
    readonly storage: TensorStorage,
    readonly shape: Shape,
    readonly dtype: DType = "f32",
    readonly offsetBytes = 0,
    /** Whether a gradient can reach anything trainable through this tensor. */
    readonly differentiable = false,
    /** Name for errors, labels and the memory plan; the storage's unless it holds several tensors. */
    readonly label: string = storage.label,
  ) {
    if (shape.some((length) => !Number.isInteger(length) || length < 1)) {
      throw new RangeError(
        `Cannot make "${storage.label}" of shape [${shape}]: every length must be 1 or more`,
      );
    }
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.shape);
  }

  /** Bytes that the elements take. */
  get sizeBytes(): number {
    return this.size * elementBytes(this.dtype);
  }

  /**
   * The same elements under another shape. No gradient passes through; `Graph.reshape` makes a view that one does.
   *
   * @throws TypeError when the number of elements differs
   */
  reshape(...shape: number[]): Tensor {
    if (elementCount(shape) !== this.size) {
      throw new TypeError(`Cannot reshape "${this.label}" from [${this.shape}] to [${shape}]: sizes differ`);
    }
    return new Tensor(this.storage, shape, this.dtype, this.offsetBytes, false, this.label);
  }

  /**
   * Rows `from` … `to` − 1 of the outermost axis, without copying. No gradient passes through.
   *
   * @throws RangeError when the rows lie outside, or start off the 256-byte grid that bindings need
   */
  rows(from: number, to: number): Tensor {
    const [count, ...rest] = this.shape;
    if (from < 0 || to > count || from >= to) {
      throw new RangeError(`Cannot take rows ${from} … ${to} of "${this.label}", which has ${count}`);
    }
    const offsetBytes = this.offsetBytes + from * elementCount(rest) * elementBytes(this.dtype);
    if (offsetBytes % 256 !== 0) {
      throw new RangeError(
        `Cannot take rows of "${this.label}" from ${from}: they start at byte ${offsetBytes}, which is no multiple of 256`,
      );
    }
    return new Tensor(this.storage, [to - from, ...rest], this.dtype, offsetBytes, false, this.label);
  }
}

/** @throws TypeError unless the tensor has exactly this shape */
export function expectShape(tensor: Tensor, shape: Shape, role: string): void {
  if (tensor.shape.length !== shape.length || tensor.shape.some((length, axis) => length !== shape[axis])) {
    throw new TypeError(
      `Cannot use "${tensor.label}" as ${role}: its shape is [${tensor.shape}], expected [${shape}]`,
    );
  }
}

/** Bytes that some tensors cover together: what several of them view counts once. */
export function boundBytes(tensors: readonly Tensor[]): number {
  let bytes = 0;
  for (const views of Map.groupBy(tensors, ({ storage }) => storage).values()) {
    let covered = 0;
    for (const { offsetBytes, sizeBytes } of views.toSorted((a, b) => a.offsetBytes - b.offsetBytes)) {
      const end = offsetBytes + sizeBytes;
      bytes += Math.max(0, end - Math.max(offsetBytes, covered));
      covered = Math.max(covered, end);
    }
  }
  return bytes;
}
