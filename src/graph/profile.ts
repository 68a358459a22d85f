/**
 * A program measured dispatch by dispatch, with what each of them computes and moves.
 *
 * @module
 */

import type { Device } from "../gpu/device.ts";
import { type ProfileOptions, profileRecording } from "../gpu/profiler.ts";
import type { Dispatch } from "./graph.ts";
import type { Program } from "./program.ts";

/** One dispatch of a program, measured. */
export interface DispatchProfile {
  /** `shader.entry` */
  readonly label: string;
  /** The part of the step that it belongs to, such as `score` or `train`. */
  readonly phase: string;
  /** `m×k×n` of a matrix product, with how its factors are stored; the shape of the largest tensor of all else. */
  readonly shape: string;
  /** Floating-point operations of matrix products, attention and scores; 0 for all else. */
  readonly flops: number;
  /** Bytes read and written: an estimate, see `DispatchOptions.bytes`. */
  readonly bytes: number;
  /** How long it ran: the median of several runs, scaled so that all sum to the whole. */
  readonly milliseconds: number;
}

/** A program, measured. */
export interface ProgramProfile {
  /** Of one run as one submit, by the wall clock. */
  readonly milliseconds: number;
  /** Its dispatches in order; null when the adapter has no timestamps. */
  readonly dispatches: readonly DispatchProfile[] | null;
  /** What a dispatch costs the CPU to encode. */
  readonly encodeMicroseconds: number;
  /** What a submit costs the CPU while the GPU has nothing else to do. */
  readonly submitMicroseconds: number;
  /** Floating-point operations of a run. */
  readonly flops: number;
  /** Bytes that a run reads and writes, an estimate. */
  readonly bytes: number;
  /** Number of dispatches. */
  readonly count: number;
}

/** Measures a program by running it many times; what it reads must have been uploaded. */
export async function profileProgram(
  device: Device,
  { recording, dispatches }: Program,
  options?: ProfileOptions,
): Promise<ProgramProfile> {
  const times = await profileRecording(device, recording, options);
  const sum = (of: (dispatch: Dispatch) => number) =>
    dispatches.reduce((total, dispatch) => total + of(dispatch), 0);
  return {
    milliseconds: times.milliseconds,
    dispatches: times.dispatches &&
      dispatches.map((dispatch, index) => ({
        label: recording.labels[index],
        phase: dispatch.phase,
        shape: dispatchShape(dispatch),
        flops: dispatch.flops,
        bytes: dispatch.bytes,
        milliseconds: times.dispatches![index],
      })),
    encodeMicroseconds: times.encodeMicroseconds,
    submitMicroseconds: times.submitMicroseconds,
    flops: sum(({ flops }) => flops),
    bytes: sum(({ bytes }) => bytes),
    count: dispatches.length,
  };
}

/** Whether a label is a matrix product's. */
export function isProduct(label: string): boolean {
  return label.startsWith("matmul");
}

function dispatchShape({ shader, reads, writes, constants, flops }: Dispatch): string {
  const largest = (tensors: typeof reads) =>
    Object.values(tensors).reduce((a, b) => b.size > a.size ? b : a).shape;
  if (isProduct(shader.name) && flops > 0) {
    // The inner size follows from the work, whatever the kernel calls it.
    const shape = largest(writes), [m, n] = shape.slice(-2);
    const batch = shape.slice(0, -2).reduce((a, b) => a * b, 1);
    const stored = ["TRANSPOSE_A", "TRANSPOSE_B"].map((name) => constants[name] ? "T" : "N").join("");
    return `${batch > 1 ? `${batch} × ` : ""}${m}×${flops / (2 * batch * m * n)}×${n} ${stored}`;
  }
  return largest({ ...reads, ...writes }).join("×");
}
