/**
 * The report's line charts, as SVG text.
 *
 * @module
 */

import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Arm } from "../train/record.ts";

/** What Plot takes as a document; linkedom's serves without a browser. */
type PlotDocument = Plot.PlotOptions["document"];

/** What each arm is called in charts. */
export const armNames: Readonly<Record<Arm, string>> = {
  joint: "JEST",
  uniform: "uniform",
  reference: "reference",
};

/** One point of a line. */
export interface Point {
  readonly arm: Arm;
  readonly x: number;
  readonly y: number;
}

/** A line chart, one line an arm, each named where it ends. */
export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly points: readonly Point[];
  /** A level to compare with, drawn across. */
  readonly level?: { readonly y: number; readonly label: string };
  /** How y is printed; Plot's own way when left out. */
  readonly yFormat?: string;
}

/** Colours come from the page, so that they follow its light or dark scheme. */
const color = (arm: Arm) => `var(--${arm})`;

/** A chart as an SVG element's text; empty when there is nothing to draw. */
export function renderChart({ title, xLabel, yLabel, points, level, yFormat }: Chart): string {
  if (points.length === 0) return "";
  const page = parseHTML("<!doctype html><html><body></body></html>") as unknown as {
    document: PlotDocument;
  };
  const arms = [...new Set(points.map(({ arm }) => arm))];
  const ends = arms.map((arm) => points.findLast((point) => point.arm === arm)!);
  const svg = Plot.plot({
    document: page.document,
    width: 520,
    height: 300,
    marginLeft: 52,
    marginRight: 78,
    marginTop: 28,
    marginBottom: 42,
    style: { background: "transparent", color: "currentColor", fontFamily: "inherit", fontSize: "12px" },
    x: {
      label: xLabel,
      labelAnchor: "center",
      labelArrow: "none",
      ticks: 5,
      tickFormat: "~s",
      nice: true,
      zero: true,
    },
    y: {
      label: yLabel,
      labelArrow: "none",
      ticks: 5,
      tickFormat: yFormat,
      nice: true,
      zero: true,
      grid: true,
    },
    marks: [
      ...(level
        ? [
          Plot.ruleY([level.y], { stroke: "var(--reference)", strokeDasharray: "3,3" }),
          Plot.text([level], {
            y: "y",
            text: "label",
            frameAnchor: "right",
            textAnchor: "start",
            dx: 6,
            fill: "var(--reference)",
          }),
        ]
        : []),
      Plot.line(points, {
        x: "x",
        y: "y",
        z: "arm",
        stroke: (point: Point) => color(point.arm),
        strokeWidth: 2,
      }),
      Plot.dot(ends, { x: "x", y: "y", r: 3, fill: (point: Point) => color(point.arm) }),
      Plot.text(ends, {
        x: "x",
        y: "y",
        text: (point: Point) => armNames[point.arm],
        fill: (point: Point) => color(point.arm),
        fontWeight: 600,
        textAnchor: "start",
        dx: 8,
      }),
    ],
  });
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${title}: ${yLabel} against ${xLabel}`);
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return svg.outerHTML;
}
