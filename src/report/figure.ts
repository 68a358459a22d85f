/**
 * Figures with any number of named lines, as SVG text: what is compared, each with its interval.
 *
 * @module
 */

import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { compact } from "./terminal.ts";

/** What Plot takes as a document; linkedom's serves without a browser. */
type PlotDocument = Plot.PlotOptions["document"];

/** One point, with the interval of y where several seeds were run. */
export interface FigurePoint {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

/** One line of a figure. */
export interface Series {
  readonly name: string;
  /** In the order of x. */
  readonly points: readonly FigurePoint[];
  /** Drawn with dashes: a baseline, a ceiling. */
  readonly dashed?: boolean;
}

/** How numbers are printed, by name, so that a figure is data: 1.2 k, 1200 or 12 %. */
export type NumberFormat = keyof typeof formats;
const formats = {
  compact,
  plain: String,
  percent: (value: number) => `${Number((100 * value).toPrecision(3))} %`,
};

/** A figure; the series are told apart by colour and named in its legend, in their order. */
export interface Figure {
  /** What it is about, for its caption and for those who do not see it. */
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** Axes in powers of ten. */
  readonly logX?: boolean;
  /** Values of x that get a tick; chosen when left out. */
  readonly xTicks?: readonly number[];
  /** How numbers are printed at the axes; `compact` when left out. */
  readonly xFormat?: NumberFormat;
  readonly yFormat?: NumberFormat;
}

/** Colours that stay apart for the colour-blind (Okabe and Ito 2008), the first JEST's own. */
const palette = [
  "#c2410c",
  "#2563eb",
  "#059669",
  "#9333ea",
  "#1e3a8a",
  "#0891b2",
  "#db2777",
  "#6b7280",
  "#65a30d",
  "#b45309",
];

/** Height of a row of the legend, in pixels. */
const ROW = 20;

/** The colour of a series by its place. */
export function seriesColor(at: number): string {
  return palette[at % palette.length];
}

/** A figure as an SVG element's text, its legend inside, on no background; empty when there is nothing to draw. */
export function renderFigure(figure: Figure): string {
  const { title, xLabel, yLabel, series, logX, xTicks } = figure;
  const xFormat = formats[figure.xFormat ?? "compact"], yFormat = formats[figure.yFormat ?? "compact"];
  const points = series.flatMap(({ name, points, dashed }, at) =>
    points.map((point) => ({ ...point, name, dashed, color: seriesColor(at) }))
  );
  if (points.length === 0) return "";
  const { document } = parseHTML("<!doctype html><html><body></body></html>") as unknown as {
    document: PlotDocument;
  };
  const lines = series.map((_, at) => points.filter(({ name }) => name === series[at].name));
  const banded = points.filter(({ low, high }) => low !== undefined && high !== undefined);
  const legendRows = Math.ceil(series.length / 2), height = 290 + ROW * legendRows;
  const svg = Plot.plot({
    document,
    width: 480,
    height,
    marginLeft: 56,
    marginRight: 18,
    marginTop: 28,
    marginBottom: 46 + ROW * legendRows,
    style: { background: "transparent", color: "currentColor", fontFamily: "inherit", fontSize: "13px" },
    x: {
      label: xLabel,
      labelAnchor: "center",
      labelArrow: "none",
      labelOffset: 38,
      type: logX ? "log" : "linear",
      ticks: xTicks ? [...xTicks] : 5,
      // Of a power of ten's ticks few have room for a label.
      tickFormat: (x: number) => !logX || xTicks || /^[125]/.test(x.toExponential()) ? xFormat(x) : "",
      ...(logX ? {} : { nice: true }),
    },
    y: { label: yLabel, labelArrow: "none", ticks: 5, nice: true, tickFormat: yFormat, grid: true },
    marks: [
      Plot.ruleX(banded, {
        x: "x",
        y1: "low",
        y2: "high",
        stroke: "color",
        strokeWidth: 1.5,
        strokeOpacity: 0.55,
      }),
      ...lines.map((line, at) =>
        Plot.line(line, {
          x: "x",
          y: "y",
          stroke: seriesColor(at),
          strokeWidth: 2,
          ...(series[at].dashed ? { strokeDasharray: "5,4" } : {}),
        })
      ),
      Plot.dot(points, { x: "x", y: "y", r: 2.8, fill: "color" }),
    ],
  });
  svg.setAttribute("role", "img");
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  // Two columns of names below the axis; Plot's own legend is HTML.
  const legend = series.map(({ name, dashed }, at) => {
    const x = 58 + (at % 2) * 214, y = height - ROW * (legendRows - Math.floor(at / 2)) + 4;
    return `<g transform="translate(${x},${y})"><line x2="18" stroke="${seriesColor(at)}" stroke-width="3"${
      dashed ? ' stroke-dasharray="5,4"' : ""
    }/><text x="24" dy="0.35em" text-anchor="start" fill="currentColor">${escape(name)}</text></g>`;
  }).join("");
  // Added to the text, because an attribute set on the element comes out without & escaped, which XML does not take.
  const label = `<svg aria-label="${escape(describe(title, series, yFormat))}" `;
  return svg.outerHTML.replace("<svg ", label).replace(/<\/svg>\s*$/, `${legend}</svg>`);
}

/** The figure as an SVG file: dark on white, whatever the page that shows it; empty when there is nothing to draw. */
export function standaloneFigure(figure: Figure): string {
  return renderFigure(figure)
    .replace("background:transparent;color:currentColor;font-family:inherit", "color:#1d1d1f")
    .replace(">", '><rect width="100%" height="100%" fill="#fff"/>');
}

/** The figure in words: where each line ends. */
function describe(title: string, series: readonly Series[], yFormat: (y: number) => string): string {
  const ends = series.filter(({ points }) => points.length > 0)
    .map(({ name, points }) => `${name} ends at ${yFormat(points.at(-1)!.y)}`);
  return [title, ...ends].join("; ");
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
