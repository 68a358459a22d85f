/**
 * A step's profile for the terminal.
 *
 * @module
 */

import { samplers } from "../selection/samplers.ts";
import type { ProfileRow, StepProfile } from "../train/profile.ts";
import { compact } from "./terminal.ts";

/** A share with its sign, to three digits: 61.2 %. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.0995 ? 2 : 1)} %`;
}

/** Operations or bytes a second in billions: 52.3, 0.41. */
function giga(perSecond: number): string {
  const value = perSecond / 1e9;
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

const milliseconds = (value: number) =>
  value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3);

/** What was run, in words. */
export function describeStep(
  { model, batch, superBatch, sampler, chunks, patchSize, microBatch, precision, recompute, reuseScoring }:
    StepProfile["options"],
) {
  const { scores, chunked } = samplers[sampler];
  const pairs = scores ? `${batch} of ${superBatch} pairs` : `${batch} pairs`;
  const chosen = `${sampler}, ${pairs}${chunked ? ` in ${chunks} chunks` : ""}`;
  return [
    `${model}, ${chosen}, patches of ${patchSize}`,
    ...(microBatch < batch ? [`micro-batches of ${microBatch}`] : []),
    ...(recompute ? ["recomputed"] : []),
    ...(reuseScoring ? ["scoring used again"] : []),
    ...(precision === "f16" ? ["f16"] : []),
  ].join(", ");
}

/** The adapter's roofs, one line each, named. */
export function peakLines({ peaks }: StepProfile): [name: string, value: string][] {
  return [
    ["multiply-adds in registers, f32", `${giga(peaks.flopsPerSecond)} GFLOP/s`],
    [
      "copying, read and written",
      `${giga(peaks.copyBytesPerSecond)} GB/s (buffer to buffer ${giga(peaks.bufferCopyBytesPerSecond)}, ` +
      `kernel ${giga(peaks.kernelCopyBytesPerSecond)})`,
    ],
    ["a dispatch that does nothing", `${peaks.dispatchMicroseconds.toFixed(1)} µs`],
  ];
}

/** The step in one line. */
export function stepLine({ step }: StepProfile): string {
  const products = step.productShare === null
    ? ""
    : `, ${percent(step.productShare)} of the time in matrix products`;
  return `${milliseconds(step.milliseconds)} ms, ${step.dispatches} dispatches, ` +
    `${compact(step.flops)}FLOP at ${giga(step.flopsPerSecond)} GFLOP/s (${
      percent(step.peakShare)
    } of the peak), ` +
    `${giga(step.bytesPerSecond)} GB/s (${percent(step.copyShare)} of copying)${products}`;
}

/** What the step costs the CPU, in one line. */
export function cpuLine({ cpu }: StepProfile): string {
  return `${cpu.encodeMicroseconds.toFixed(2)} µs a dispatch to encode, ${
    cpu.submitMicroseconds.toFixed(0)
  } µs to submit; Trainer.step ` +
    `${
      cpu.stepMilliseconds.toFixed(2)
    } ms with its uploads, and the wait where the GPU is behind; made in a step: ${cpu.buffersCreated} buffers, ` +
    `${cpu.bindGroupsCreated} bind groups, ${cpu.pipelinesCreated} pipelines; ${cpu.submits} submit, ` +
    `${cpu.readBacks} read-backs`;
}

/** Why a profile has no tables. */
export const noTimestamps =
  "This adapter has no timestamps (timestamp-query): only the whole step can be timed, not its parts.";

/** What the numbers of bytes are. */
export const bytesNote =
  "Bytes are an estimate: what a dispatch binds, each byte once, unless the op states its own. " +
  "FLOPs are counted for matrix products, attention and scores.";

/** Headings of a table of {@link tableCells}. */
export const tableHeadings: readonly string[] = [
  "times",
  "ms",
  "share",
  "GFLOP/s",
  "of peak",
  "GB/s",
  "of copy",
  "bound by",
];

/** A row's cells after its name. */
export function tableCells(row: ProfileRow): string[] {
  const computes = row.flops > 0;
  return [
    String(row.times),
    milliseconds(row.milliseconds),
    percent(row.share),
    computes ? giga(row.flopsPerSecond) : "–",
    computes ? percent(row.peakShare) : "–",
    giga(row.bytesPerSecond),
    percent(row.copyShare),
    row.boundBy,
  ];
}

function table(name: string, rows: readonly ProfileRow[]): string {
  const lines = [[name, ...tableHeadings], ...rows.map((row) => [row.name, ...tableCells(row)])];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) =>
    line.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join(
      "  ",
    )
  ).join("\n");
}

/**
 * The profile as text.
 *
 * @param by whether ops are told apart by their shapes
 */
export function profileText(profile: StepProfile, by: "op" | "shape"): string {
  const { adapter, options, phases, ops, shapes } = profile;
  const row = (name: string, value: string) => `${name.padEnd(34)}${value}`;
  return [
    row("adapter", adapter),
    ...peakLines(profile).map(([name, value]) => row(name, value)),
    "",
    row("step", describeStep(options)),
    row("", stepLine(profile)),
    row("CPU", cpuLine(profile)),
    "",
    ...(phases && ops && shapes
      ? [
        table("phase", phases),
        "",
        by === "shape" ? table("op [shape]", shapes) : table("op", ops),
        "",
        bytesNote,
        "Bound by: which roof asks for the most time, for FLOPs, for bytes, or for the launches alone.",
      ]
      : [noTimestamps]),
  ].join("\n");
}
