/**
 * Writes the report of a run into its folder.
 *
 * @module
 */

import type { RunSummary } from "../train/record.ts";
import { renderReport, type ReportInput } from "./report.ts";
import { readLines, type RunFolder } from "./run_folder.ts";

/** What the folder itself does not hold. */
export type ReportExtras = Pick<
  ReportInput,
  "picture" | "imageSize" | "searches" | "poolShares" | "attributions" | "command"
>;

/** Reads the run's lines, draws `report.html`, and writes it. */
export async function writeReport(
  folder: RunFolder,
  summary: RunSummary,
  config: Readonly<Record<string, unknown>>,
  extras: ReportExtras,
): Promise<void> {
  const { metrics, snapshots } = await readLines(folder.path);
  await folder.writeFile("report.html", renderReport({ ...extras, summary, config, metrics, snapshots }));
}
