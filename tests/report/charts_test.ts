/** The words of the charts: none may lie on another line. */
import assert from "node:assert/strict";
import { type Point, renderChart } from "../../src/report/charts.ts";

/** A line through these heights, one at each of x = 0, 1, 2 … */
const line = (arm: Point["arm"], ...heights: number[]): Point[] => heights.map((y, x) => ({ arm, x, y }));

/** How far the uniform line's name is moved down from the line's end, in pixels. */
function uniformMovedDown(joint: number[], uniform: number[]): number {
  const points = [...line("joint", ...joint), ...line("uniform", ...uniform)];
  return movedDown(renderChart({ title: "Loss", xLabel: "seconds", yLabel: "loss", points }));
}

function movedDown(svg: string): number {
  const group = /<g transform="translate\(-?\d+,(-?\d+)\)"(?:(?!<g ).)*>uniform<\/text>/.exec(svg);
  assert.ok(group, svg);
  return Number(group[1]);
}

const falling = [6, 5, 4.6, 4.2, 4, 3.8, 3.6, 3.4, 3.3, 3.2];

Deno.test("a line that ends early is named away from the line that goes on", () => {
  assert.ok(uniformMovedDown(falling, [5.6, 4.6, 3.9]) > 0, "below: the other line passes above");
  assert.ok(uniformMovedDown(falling, [7, 5.5, 4.8]) < 0, "above: the other line passes below");
});

Deno.test("where no line passes, or the axis is in the way, the name stays beside the end", () => {
  assert.equal(uniformMovedDown(falling, [2, 1.5, 1.2]), 0);
  assert.equal(uniformMovedDown([0, 0.1, 0.4, 1, 2, 3, 4, 5, 6, 7], [0, 0.1, 0.2]), 0);
});

Deno.test("a line counts between its points too, however few there are", () => {
  const points: Point[] = [
    ...[0, 10].map((x) => ({ arm: "joint" as const, x, y: 6 - 0.3 * x })),
    ...[0, 2].map((x) => ({ arm: "uniform" as const, x, y: 5 - 0.1 * x })),
  ];
  const svg = renderChart({ title: "Loss", xLabel: "seconds", yLabel: "loss", points });
  assert.ok(movedDown(svg) > 0);
});

Deno.test("without points there is no chart", () => {
  assert.equal(renderChart({ title: "Loss", xLabel: "seconds", yLabel: "loss", points: [] }), "");
});
