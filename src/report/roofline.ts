/**
 * The roofline picture: every op of a step under the two roofs of its adapter, as SVG text.
 *
 * Source: Williams, Waterman and Patterson, "Roofline: an insightful visual performance model", CACM 52(4), 2009.
 *
 * @module
 */

import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Bound, ProfileRow, StepProfile } from "../train/profile.ts";
import { type PlacedLabel, placeLabels } from "./label_places.ts";
import { percent } from "./profile_text.ts";
import { compact } from "./terminal.ts";

/** Pixels of the picture and of its margins. */
const size = { width: 1040, height: 620 }, margin = { left: 72, right: 24, top: 40, bottom: 64 };

/** Radius in pixels of an op that takes the whole step; areas are in proportion. */
const WHOLE_RADIUS = 62;
/** The least radius that can be seen. */
const LEAST_RADIUS = 2;
/** Ops that take less of the step go without a name. */
const NAMED_SHARE = 0.01;
/** Decades at the left for ops whose FLOPs are not counted, and between them and the others. */
const COLUMN_DECADES = 2, GAP_DECADES = 0.15;
/** Multiples of it, but for their whole part, are spread evenly and never meet. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;
/** Share of the copy's bytes a second below which dots in that column do not sink. */
const LEAST_COPY_SHARE = 1e-3;

/** The colour of each bound; from the page, so that it follows the light or dark scheme. */
export const boundColors: Readonly<Record<Bound, string>> = {
  compute: "var(--joint)",
  memory: "var(--uniform)",
  launch: "var(--reference)",
};

interface Dot {
  readonly row: ProfileRow;
  /** FLOP/byte. */
  readonly x: number;
  /** GFLOP/s. */
  readonly y: number;
  /** Pixels. */
  readonly r: number;
}

/** An op's radius by its share of the step: areas are in proportion, down to what can be seen. */
export function dotRadius(share: number): number {
  return Math.max(LEAST_RADIUS, WHOLE_RADIUS * Math.sqrt(share));
}

/**
 * The roofline as an SVG element's text: x is FLOP/byte, y GFLOP/s, both logarithmic; one dot an op, its area in
 * proportion to its share of the step. Ops whose FLOPs are not counted stand in a column at the left: there a dot is as
 * far below the roof as its bytes a second are below the copy's, down to a thousandth. Empty when the profile has no ops.
 */
export function renderRoofline({ ops, peaks, options }: StepProfile): string {
  if (!ops || ops.length === 0) return "";
  const peak = peaks.flopsPerSecond / 1e9, copy = peaks.copyBytesPerSecond / 1e9, ridge = peak / copy;
  const intensity = ({ flops, bytes }: ProfileRow) => flops / Math.max(bytes, 1);
  const computing = ops.filter(({ flops, milliseconds }) => flops > 0 && milliseconds > 0);
  const moving = ops.filter((row) => !computing.includes(row));
  const axisFrom = 10 ** Math.floor(Math.log10(Math.min(ridge, ...computing.map(intensity)) / 1.5));
  const xTo = 10 ** Math.ceil(Math.log10(2 * Math.max(ridge, ...computing.map(intensity))));
  const columnTo = axisFrom / 10 ** GAP_DECADES;
  const xFrom = moving.length > 0 ? columnTo / 10 ** COLUMN_DECADES : axisFrom;
  const dots: Dot[] = [
    ...computing.map((row) => ({ row, x: intensity(row), y: row.flopsPerSecond / 1e9 })),
    ...moving.map((row, at) => {
      // Spread over the column, so that dots and names keep apart; the slanted roof above moves along.
      const place = 0.1 + 0.8 * ((at + 0.5) * GOLDEN % 1);
      const x = xFrom * (columnTo / xFrom) ** place;
      return { row, x, y: Math.max(row.bytesPerSecond / 1e9, copy * LEAST_COPY_SHARE) * x };
    }),
  ].map((dot) => ({ ...dot, r: dotRadius(dot.row.share) }));
  const heights = dots.map(({ y }) => y);
  const yFrom = 10 ** Math.floor(Math.log10(Math.min(...heights) / 1.3));
  const yTo = 10 ** Math.ceil(Math.log10(Math.max(peak * 1.6, ...heights)));
  const domain = { x: [xFrom, xTo], y: [yFrom, yTo] };
  const pixels = scales(domain);
  const roof = [
    { x: Math.max(xFrom, yFrom / copy), y: Math.max(yFrom, xFrom * copy) },
    { x: ridge, y: peak },
    { x: xTo, y: peak },
  ];
  const corner = { x: pixels.x(ridge), y: pixels.y(peak) };
  const roofLabels: PlacedLabel[] = [
    {
      text: `multiply-adds in registers: ${compact(peaks.flopsPerSecond)}FLOP/s`,
      x: size.width - margin.right,
      y: corner.y - 12,
      anchor: "end",
    },
    {
      text: `copying: ${compact(peaks.copyBytesPerSecond)}B/s`,
      x: corner.x - 14,
      y: corner.y - 4,
      anchor: "end",
    },
  ];
  const labels = placeLabels(
    dots.filter(({ row }) => row.share >= NAMED_SHARE).map(({ row, x, y, r }) => ({
      text: `${row.name} ${percent(row.share)}`,
      x: pixels.x(x),
      y: pixels.y(y),
      r,
    })),
    dots.map(({ x, y, r }) => ({ x: pixels.x(x), y: pixels.y(y), r })),
    roof.map(({ x, y }) => ({ x: pixels.x(x), y: pixels.y(y) })),
    {
      left: margin.left,
      right: size.width - margin.right,
      top: margin.top,
      bottom: size.height - margin.bottom,
    },
    roofLabels,
  );
  const leaders = labels.flatMap(({ leader }) => leader ?? []);
  const page = parseHTML("<!doctype html><html><body></body></html>") as unknown as {
    document: Plot.PlotOptions["document"];
  };
  const halo = {
    stroke: "var(--paper)",
    strokeWidth: 3.5,
    strokeOpacity: 0.85,
    paintOrder: "stroke",
  } as const;
  const svg = Plot.plot({
    document: page.document,
    ...size,
    marginLeft: margin.left,
    marginRight: margin.right,
    marginTop: margin.top,
    marginBottom: margin.bottom,
    style: { background: "transparent", color: "currentColor", fontFamily: "inherit", fontSize: "13px" },
    x: {
      type: "log",
      domain: domain.x,
      label: "FLOP/byte",
      labelAnchor: "center",
      labelArrow: "none",
      ticks: decades(axisFrom, xTo),
      tickFormat: tick,
      grid: true,
    },
    y: {
      type: "log",
      domain: domain.y,
      label: "GFLOP/s",
      labelArrow: "none",
      ticks: decades(yFrom, yTo),
      tickFormat: tick,
      grid: true,
    },
    marks: [
      ...(moving.length > 0
        ? [
          Plot.rect([null], {
            x1: xFrom,
            x2: columnTo,
            y1: yFrom,
            y2: yTo,
            fill: "var(--panel)",
          }),
        ]
        : []),
      Plot.line(roof, { x: "x", y: "y", stroke: "currentColor", strokeWidth: 2 }),
      Plot.dot(dots, {
        x: "x",
        y: "y",
        r: { value: "r", scale: null },
        fill: ({ row }: Dot) => boundColors[row.boundBy],
        fillOpacity: 0.55,
        stroke: ({ row }: Dot) => boundColors[row.boundBy],
        title: ({ row }: Dot) =>
          `${row.name}: ${row.times} ${row.times === 1 ? "dispatch" : "dispatches"}, ` +
          `${percent(row.share)} of the step, bound by ${row.boundBy}`,
      }),
      Plot.link(leaders, {
        x1: ({ x1 }) => pixels.invertX(x1),
        y1: ({ y1 }) => pixels.invertY(y1),
        x2: ({ x2 }) => pixels.invertX(x2),
        y2: ({ y2 }) => pixels.invertY(y2),
        stroke: "currentColor",
        strokeOpacity: 0.45,
      }),
      ...[...labels, ...roofLabels].map(({ text, x, y, anchor }, at) =>
        Plot.text([text], {
          // Placed in pixels: the frame's left upper corner is where they are counted from.
          frameAnchor: "top-left",
          dx: x - margin.left,
          dy: y - margin.top,
          textAnchor: anchor,
          lineAnchor: "middle",
          text: (label: string) => label,
          fill: "currentColor",
          fontSize: 12,
          fontWeight: at < labels.length ? 400 : 600,
          ...halo,
        })
      ),
      ...(moving.length > 0
        ? [Plot.text(["moves data: FLOPs not counted"], {
          frameAnchor: "bottom-left",
          dx: (pixels.x(columnTo) - margin.left) / 2,
          dy: 24,
          textAnchor: "middle",
          text: (label: string) => label,
          fill: "currentColor",
          fillOpacity: 0.7,
        })]
        : []),
    ],
  });
  svg.setAttribute("role", "img");
  svg.setAttribute(
    "aria-label",
    `Roofline of a step of ${options.model}: ${
      ops.slice(0, 3).map(({ name, share, boundBy }) =>
        `${name} takes ${percent(share)}, bound by ${boundBy}`
      )
        .join("; ")
    }`,
  );
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return svg.outerHTML;
}

/** Pixels of a value on each axis, as Plot places it, and back. */
function scales({ x, y }: { readonly x: readonly number[]; readonly y: readonly number[] }) {
  const along = ([from, to]: readonly number[], value: number) =>
    Math.log(value / from) / Math.log(to / from);
  const width = size.width - margin.left - margin.right, height = size.height - margin.top - margin.bottom;
  return {
    x: (value: number) => margin.left + along(x, value) * width,
    y: (value: number) => margin.top + (1 - along(y, value)) * height,
    invertX: (at: number) => x[0] * (x[1] / x[0]) ** ((at - margin.left) / width),
    invertY: (at: number) => y[0] * (y[1] / y[0]) ** (1 - (at - margin.top) / height),
  };
}

/** Powers of ten from one to another, both included. */
function decades(from: number, to: number): number[] {
  const first = Math.round(Math.log10(from)), last = Math.round(Math.log10(to));
  return Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at));
}

const tick = (value: number) =>
  value < 1 ? String(Number(value.toPrecision(1))) : Math.round(value).toLocaleString("en");
