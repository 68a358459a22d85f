/**
 * Where a step's time went, held against what the adapter can do: what `superbatch profile` prints and draws.
 *
 * @module
 */

import type { Peaks } from "../gpu/peaks.ts";
import { type DispatchProfile, isProduct, type ProgramProfile } from "../graph/profile.ts";
import type { Precision } from "../models/precision.ts";
import type { SamplerName } from "../selection/samplers.ts";

/** Work in a time, against the roofs. */
export interface Rates {
  readonly milliseconds: number;
  /** Counted for matrix products, attention and scores alone. */
  readonly flops: number;
  /** Read and written: an estimate. */
  readonly bytes: number;
  readonly flopsPerSecond: number;
  /** Of the multiply-add peak. */
  readonly peakShare: number;
  readonly bytesPerSecond: number;
  /** Of the copy bandwidth; above 1 where caches serve what is counted as memory. */
  readonly copyShare: number;
}

/** What keeps an op from being faster, by the least time that each would take alone. */
export type Bound = "compute" | "memory" | "launch";

/** All dispatches of a step that share a name. */
export interface ProfileRow extends Rates {
  /** A phase, an op (`shader.entry`), or an op with its shape. */
  readonly name: string;
  /** How many dispatches. */
  readonly times: number;
  /** Of the step's time. */
  readonly share: number;
  /** The roof that asks for the most time. */
  readonly boundBy: Bound;
  /** The time that this roof asks for, as a share of the time taken: 1 is as fast as it gets. */
  readonly boundShare: number;
}

/** A step's profile; the fields of `superbatch profile --json`. */
export interface StepProfile {
  /** The adapter's own description. */
  readonly adapter: string;
  /** What was run. */
  readonly options: {
    readonly model: string;
    readonly batch: number;
    readonly superBatch: number;
    readonly sampler: SamplerName;
    readonly chunks: number;
    readonly patchSize: number;
    readonly microBatch: number;
    readonly recompute: boolean;
    readonly reuseScoring: boolean;
    readonly precision: Precision;
  };
  /** The roofs. */
  readonly peaks: Peaks;
  /** The step as a whole: one submit. */
  readonly step: Rates & {
    readonly dispatches: number;
    /** Share of the time in matrix products; null without timestamps. */
    readonly productShare: number | null;
  };
  /** By part of the step, in its order; null without timestamps, as are the next two. */
  readonly phases: readonly ProfileRow[] | null;
  /** By op, the longest first. */
  readonly ops: readonly ProfileRow[] | null;
  /** By op and shape, the longest first. */
  readonly shapes: readonly ProfileRow[] | null;
  /** What the step costs the CPU, and what it makes. */
  readonly cpu: {
    /** To encode the step, divided by its dispatches. */
    readonly encodeMicroseconds: number;
    /** Of the step's one submit, while the GPU has nothing else to do. */
    readonly submitMicroseconds: number;
    /** Of `Trainer.step`: uploads, encoding and submit, and the wait where the GPU is behind. */
    readonly stepMilliseconds: number;
    /** GPU objects that a step after the first one makes; 0 each. */
    readonly buffersCreated: number;
    readonly bindGroupsCreated: number;
    readonly pipelinesCreated: number;
    /** Copies to the host in a step; 0. */
    readonly readBacks: number;
    /** Submits of a step; 1. */
    readonly submits: number;
  };
}

/** Rates of some work in a time. */
export function rates(flops: number, bytes: number, milliseconds: number, peaks: Peaks): Rates {
  const perSecond = (amount: number) => milliseconds > 0 ? amount / milliseconds * 1000 : 0;
  return {
    milliseconds,
    flops,
    bytes,
    flopsPerSecond: perSecond(flops),
    peakShare: perSecond(flops) / peaks.flopsPerSecond,
    bytesPerSecond: perSecond(bytes),
    copyShare: perSecond(bytes) / peaks.copyBytesPerSecond,
  };
}

/**
 * Dispatches summed under a name each.
 *
 * @param name what a dispatch is summed under
 * @returns in the order of first appearance
 */
export function profileRows(
  dispatches: readonly DispatchProfile[],
  peaks: Peaks,
  name: (dispatch: DispatchProfile) => string,
): ProfileRow[] {
  const sum = (parts: readonly DispatchProfile[], of: "flops" | "bytes" | "milliseconds") =>
    parts.reduce((total, part) => total + part[of], 0);
  const whole = sum(dispatches, "milliseconds");
  return Array.from(Map.groupBy(dispatches, name), ([name, parts]) => {
    const [flops, bytes, milliseconds] = [
      sum(parts, "flops"),
      sum(parts, "bytes"),
      sum(parts, "milliseconds"),
    ];
    const least: Record<Bound, number> = {
      compute: flops / peaks.flopsPerSecond * 1000,
      memory: bytes / peaks.copyBytesPerSecond * 1000,
      launch: parts.length * peaks.dispatchMicroseconds / 1000,
    };
    const boundBy = (Object.keys(least) as Bound[]).reduce((a, b) => least[b] > least[a] ? b : a);
    return {
      name,
      times: parts.length,
      share: whole > 0 ? milliseconds / whole : 0,
      ...rates(flops, bytes, milliseconds, peaks),
      boundBy,
      boundShare: milliseconds > 0 ? least[boundBy] / milliseconds : 0,
    };
  });
}

/** What a program's measurement says against the roofs. */
export function summariseProfile(
  { milliseconds, dispatches, flops, bytes, count }: ProgramProfile,
  peaks: Peaks,
): Pick<StepProfile, "step" | "phases" | "ops" | "shapes"> {
  const rows = (name: (dispatch: DispatchProfile) => string) =>
    dispatches && profileRows(dispatches, peaks, name);
  const longest = (found: ProfileRow[] | null) =>
    found && found.toSorted((a, b) => b.milliseconds - a.milliseconds);
  const ops = longest(rows(({ label }) => label));
  return {
    step: {
      ...rates(flops, bytes, milliseconds, peaks),
      dispatches: count,
      productShare: ops &&
        ops.filter(({ name }) => isProduct(name)).reduce((total, { share }) => total + share, 0),
    },
    phases: rows(({ phase }) => phase),
    ops,
    shapes: longest(rows(({ label, shape }) => `${label} [${shape}]`)),
  };
}
