/** The charts' words: none may lie on another line. */
import assert from "node:assert/strict";
import { parseHTML } from "linkedom";
import { type Point, renderChart } from "../../src/report/charts.ts";

/** A line through these heights, one at each of x = 0, 1, 2 … */
const line = (arm: Point["arm"], ...heights: number[]): Point[] => heights.map((y, x) => ({ arm, x, y }));

/** Where each word of a chart stands, by what it says. */
function words(...points: Point[]): Map<string, { x: number; y: number }> {
  const svg = renderChart({ title: "Loss", xLabel: "seconds", yLabel: "loss", points });
  const { document } = parseHTML(svg) as unknown as {
    document: {
      querySelectorAll(
        selector: string,
      ): Iterable<{ textContent: string; getAttribute(name: string): string }>;
    };
  };
  return new Map(
    [...document.querySelectorAll("text[transform]")].map((text) => {
      const [x, y] = text.getAttribute("transform").match(/-?[\d.]+/g)!.map(Number);
      return [text.textContent, { x, y }];
    }),
  );
}

/** Like {@link words}, of the names inside the marks that move as a whole. */
function offset(svg: string): string[] {
  return [
    ...svg.matchAll(
      /<g aria-label="text"[^>]*transform="translate\((-?[\d.]+),(-?[\d.]+)\)"[^>]*>(.*?)<\/g>/g,
    ),
  ]
    .filter(([, , , inside]) => inside.includes("<text"))
    .map(([, dx, dy]) => `${dx},${dy}`);
}
