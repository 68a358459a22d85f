/**
 * What a section of bench/gpu.ts is given, and how its process reports: Markdown on stdout, line by line, and data as
 * marked lines, so that what was measured before a crash or a limit is kept.
 *
 * @module
 */

import type { Device } from "../../src/gpu/device.ts";
import type { Peaks } from "../../src/gpu/peaks.ts";

/** Starts a line that holds `{ name, value }` for the JSON file. */
export const DATA = "@data ";

/** Peaks that were not measured. */
export const noPeaks: Peaks = {
  flopsPerSecond: NaN,
  bufferCopyBytesPerSecond: NaN,
  kernelCopyBytesPerSecond: NaN,
  copyBytesPerSecond: NaN,
  dispatchMicroseconds: NaN,
};

/** What a section is given. */
export interface SectionContext {
  readonly device: Device;
  /** Which of the section's parts to do, such as a shape. */
  readonly part: string;
  /** Small sizes, for software adapters. */
  readonly quick: boolean;
  /** What the adapter can do at all. */
  readonly peaks: Peaks;
  /** Bytes of the largest buffer that could be allocated; Infinity where none failed. */
  readonly largestBuffer: number;
  /** Where the tuning is kept. */
  readonly cache?: string;
  /** Seconds until the process is stopped. */
  left(): number;
}

/** Writes Markdown. */
export function write(markdown: string): void {
  console.log(markdown);
}

/** Writes a row of a table. */
export function row(...cells: (string | number)[]): void {
  write(`| ${cells.join(" | ")} |`);
}

/** Writes the head of a table. */
export function header(...cells: string[]): void {
  row(...cells);
  write(`|${"---|".repeat(cells.length)}`);
}

/** Hands a value to the JSON file. */
export function data(name: string, value: unknown): void {
  console.log(`${DATA}${JSON.stringify({ name, value })}`);
}

/** An error in one line that a table can hold. */
export function message(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").slice(0, 500);
}

/** Does one thing of a table; an error becomes its row, and the rest goes on. */
export async function attempt(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    row(name, `**failed**: ${message(error)}`);
    data("failures", { name, error: message(error) });
  }
}

/** GFLOP/s with their share of the measured multiply-add peak. */
export function flopRate(flopsPerSecond: number, { flopsPerSecond: peak }: Peaks): [string, string] {
  return [(flopsPerSecond / 1e9).toFixed(1), `${(100 * flopsPerSecond / peak).toFixed(1)} %`];
}
