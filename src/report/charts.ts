/**
 * The report's line charts, as SVG text.
 *
 * @module
 */

import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Arm } from "../train/record.ts";
import { armName } from "./arm_name.ts";
import { compact } from "./terminal.ts";

/** What Plot takes as a document; linkedom's serves without a browser. */
type PlotDocument = Plot.PlotOptions["document"];

/** One point of a line. */
export interface Point {
  /** The line it belongs to. */
  readonly arm: Arm;
  /** In the unit of the x axis. */
  readonly x: number;
  /** In the unit of the y axis. */
  readonly y: number;
}

/** A line chart, one line an arm, each named where it ends. */
export interface Chart {
  /** What the chart is about, for its caption. */
  readonly title: string;
  /** What x is, with its unit. */
  readonly xLabel: string;
  /** What y is, with its unit. */
  readonly yLabel: string;
  /** Of all lines, each line's in the order of x. */
  readonly points: readonly Point[];
  /** A level to compare with, drawn across. */
  readonly level?: { readonly y: number; readonly label: string };
  /** How y is printed; {@link compact} when left out. */
  readonly yFormat?: (y: number) => string;
}

/** Colours come from the page, so that they follow its light or dark scheme. */
const color = (arm: Arm) => `var(--${arm}, var(--ink))`;

/** A line that ends before this share of the axis leaves room for other lines at its right. */
const EARLY = 0.8;

/** Keeps words readable where a line passes behind them. */
const halo = { stroke: "var(--paper)", strokeWidth: 4, strokeOpacity: 0.85 } as const;

/** A word at the right of a line, or, without x, at the chart's right edge. */
interface Label {
  readonly x?: number;
  readonly y: number;
  readonly text: string;
  readonly arm: Arm;
  /** Where a line that ends early is named, lest the word lie on another line: above its end or below it. */
  readonly side?: "above" | "below";
}

/** A chart as an SVG element's text; empty when there is nothing to draw. */
export function renderChart(chart: Chart): string {
  const { xLabel, yLabel, points, level, yFormat = compact } = chart;
  if (points.length === 0) return "";
  const page = parseHTML("<!doctype html><html><body></body></html>") as unknown as {
    document: PlotDocument;
  };
  const ends = [...new Set(points.map(({ arm }) => arm))]
    .map((arm) => points.findLast((point) => point.arm === arm)!);
  const labels: Label[] = ends.map((end) => ({ ...end, text: armName(end.arm) }));
  if (level) labels.push({ y: level.y, text: level.label, arm: "reference" });
  const x = ({ x }: Point | Label) => x, y = ({ y }: Point | Label) => y;
  const paint = ({ arm }: Point | Label) => color(arm);
  const axis = { labelArrow: "none", ticks: 5, nice: true, zero: true } as const;
  const text = {
    y,
    text: "text",
    fill: paint,
    textAnchor: "start",
    fontWeight: 600,
    ...halo,
  } as const;
  const height = textHeight(labels, points);
  const placed = spread(labels.map((label) => aside(label, points, height)), points, height);
  const at = (side?: Label["side"]) => placed.filter((label) => label.x !== undefined && label.side === side);
  const svg = Plot.plot({
    document: page.document,
    width: 400,
    height: 260,
    marginLeft: 46,
    marginRight: 84,
    marginTop: 30,
    marginBottom: 42,
    style: { background: "transparent", color: "currentColor", fontFamily: "inherit", fontSize: "13px" },
    x: { ...axis, label: xLabel, labelAnchor: "center", ticks: 4, tickFormat: compact },
    y: { ...axis, label: yLabel, tickFormat: yFormat, grid: true },
    marks: [
      ...(level ? [Plot.ruleY([level.y], { stroke: "var(--reference)", strokeDasharray: "3,3" })] : []),
      Plot.line(points, { x, y, z: "arm", stroke: paint, strokeWidth: 2 }),
      Plot.dot(ends, { x, y, r: 3, fill: paint }),
      Plot.text(at(), { ...text, x, dx: 8 }),
      Plot.text(at("above"), { ...text, x, dx: -4, dy: -14 }),
      Plot.text(at("below"), { ...text, x, dx: -4, dy: 14 }),
      Plot.text(placed.filter((label) => label.x === undefined), { ...text, dx: 8, frameAnchor: "right" }),
    ],
  });
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", describe(chart, ends));
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return svg.outerHTML;
}

/** The chart in words, for those who do not see it. */
function describe(
  { title, xLabel, yLabel, yFormat = compact, level }: Chart,
  ends: readonly Point[],
): string {
  return [
    `${title}: ${yLabel} against ${xLabel}`,
    ...ends.map(({ arm, y }) => `${armName(arm)} ends at ${yFormat(y)}`),
    ...(level ? [`${level.label} ${yFormat(level.y)}`] : []),
  ].join("; ");
}

/** The height of a line of text, in a chart's units of y. */
function textHeight(labels: readonly Label[], points: readonly Point[]): number {
  const heights = [0, ...points.map(({ y }) => y), ...labels.map(({ y }) => y)];
  return 0.085 * (Math.max(...heights) - Math.min(...heights));
}

const rightmost = (points: readonly Point[]) => Math.max(...points.map(({ x }) => x));

/** Moves the name of a line that ends early to where the other lines disturb it least: beside, below or above. */
function aside(label: Label, points: readonly Point[], height: number): Label {
  const right = rightmost(points), { x: from, y, arm } = label;
  if (from === undefined || from >= EARLY * right) return label;
  const others = Map.groupBy(points.filter((point) => point.arm !== arm), (point) => point.arm);
  const passing = [...others.values()].flatMap((line) =>
    Array.from({ length: 16 }, (_, at) => heightAt(line, from + at / 15 * 0.25 * right))
  );
  const disturbed = (center: number) =>
    passing.filter((other) => other !== undefined && Math.abs(other - center) < 0.7 * height).length;
  const floor = Math.min(0, ...points.map((point) => point.y));
  const places: { side?: Label["side"]; by: number }[] = [
    { by: disturbed(y) },
    ...(y > floor + 2 * height ? [{ side: "below" as const, by: disturbed(y - 0.9 * height) }] : []),
    { side: "above", by: disturbed(y + 0.9 * height) },
  ];
  const [{ side }] = places.toSorted((a, b) => a.by - b.by); // the first of equals
  return side ? { ...label, side } : label;
}

/** A line's height at x, between its points; undefined before its first and after its last. */
function heightAt(line: readonly Point[], x: number): number | undefined {
  const next = line.findIndex((point) => point.x >= x);
  if (next === -1 || (next === 0 && line[0].x > x)) return undefined;
  if (next === 0) return line[0].y;
  const a = line[next - 1], b = line[next];
  return a.y + (b.y - a.y) * (x - a.x) / (b.x - a.x);
}

/** Moves labels apart that would lie on one another at the right, upwards from the lowest. */
function spread(labels: readonly Label[], points: readonly Point[], height: number): Label[] {
  const right = rightmost(points);
  let last = -Infinity;
  return labels.toSorted((a, b) => a.y - b.y).map((label) => {
    if (label.x !== undefined && label.x < EARLY * right) return label;
    last = Math.max(label.y, last + height);
    return { ...label, y: last };
  });
}
