/**
 * The comparison as Markdown, for docs/benchmarks.md.
 *
 * @module
 */

import type { Entry, Row } from "./compare.ts";

const number = (value: number) =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

function absolute(
  { seconds, flopsPerSecond, examplesPerSecond, error }: Entry,
): string {
  if (seconds === null) return error ? "did not run" : "–";
  const time = seconds >= 1 ? `${number(seconds)} s` : `${number(seconds * 1e3)} ms`;
  if (flopsPerSecond !== null) return `${number(flopsPerSecond / 1e9)} GFLOP/s`;
  return examplesPerSecond !== null ? `${time} (${number(examplesPerSecond)}/s)` : time;
}

/** A best time and the rounds' median may tell ratios apart by this factor before both are shown. */
const STEADY = 1.15;

/**
 * How many times superbatch's rate is the peer's, from the best times; below 1 the peer is faster. The median over the
 * rounds stands beside it where it differs, as when another process slowed one of the best rounds.
 */
function ratio(own: Entry, peer: Entry): string {
  if (own.seconds === null || peer.seconds === null) return "–";
  const best = peer.seconds / own.seconds;
  const rounds = peer.rounds.map((seconds, round) => seconds / own.rounds[round]).toSorted((a, b) => a - b);
  const median = rounds[Math.floor(rounds.length / 2)];
  const text = best < 1 ? `**${best.toFixed(2)}**` : best.toFixed(2);
  return Math.max(median / best, best / median) > STEADY ? `${text} (median ${median.toFixed(2)})` : text;
}

/** What one run of a work asks of the queue, library by library. */
export function dispatchLine({ name, entries }: Row): string {
  const parts = entries.filter(({ dispatches }) => dispatches !== null).map((
    { library, dispatches, submits },
  ) => `${library} ${dispatches!.toFixed(0)} in ${Math.max(1, submits!).toFixed(0)}`);
  return `Dispatches in submits, ${name}: ${parts.join(", ")}.`;
}

/** Why a library has no time in a row, and how superbatch ran it. */
export function noteLines(rows: readonly Row[]): string[] {
  const failures = rows.flatMap(({ name, entries }) =>
    entries.filter(({ error }) => error).map(({ library, error }) => `- ${name}: ${library}: ${error}`)
  );
  const notes = Map.groupBy(rows.filter(({ entries }) => entries[0].note), ({ entries }) => entries[0].note!);
  return [
    ...failures,
    ...[...notes].map(([note, { length }]) =>
      `- superbatch ran ${length === rows.length ? "all" : `${length} of ${rows.length}`} with ${note}.`
    ),
  ];
}

/**
 * A table of superbatch, which is the first entry of every row, and some of its peers.
 *
 * @param all works that the same libraries ran
 * @param shows which peers stand in it
 */
export function markdownTable(all: readonly Row[], shows: (library: string) => boolean): string {
  const rows = all.map((row) => ({
    ...row,
    entries: row.entries.filter(({ library }, i) => i === 0 || shows(library)),
  }));
  const [own, ...peers] = rows[0].entries.map(({ library }) => library);
  const header = [
    `| work | ${own} |`,
    ...peers.map((peer) => ` ${peer} | ${own} ÷ ${peer} |`),
  ].join("");
  const rule = `|---|---|${"---|---|".repeat(peers.length)}`;
  const lines = rows.map(({ name, entries: [first, ...others] }) =>
    [
      `| ${name} | ${absolute(first)} |`,
      ...others.map((entry) => ` ${absolute(entry)} | ${ratio(first, entry)} |`),
    ].join("")
  );
  return [header, rule, ...lines].join("\n");
}
