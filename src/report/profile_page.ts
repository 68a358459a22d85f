/**
 * A step's profile as one self-contained page, or as a picture alone.
 *
 * @module
 */

import type { Bound, ProfileRow, StepProfile } from "../train/profile.ts";
import { bytesNote, cpuLine, describeStep, noTimestamps, peakLines, percent } from "./profile_text.ts";
import { stepLine, tableCells, tableHeadings } from "./profile_text.ts";
import { escapeHtml } from "./report.ts";
import { boundColors, renderRoofline } from "./roofline.ts";
import { style } from "./style.ts";

const legend: readonly (readonly [Bound, string])[] = [
  ["compute", "compute: the multiply-adds ask for the most time"],
  ["memory", "memory: the bytes do"],
  ["launch", "launch: the dispatches themselves do"],
];

const pageStyle = `
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; font-size: .87rem; margin: .6rem 0 0; padding: 0; }
.legend span::before { content: ""; display: inline-block; width: .7rem; height: .7rem; border-radius: 2px;
  margin-right: .45rem; background: var(--dot); }
td:last-child, th:last-child { text-align: left; }
`;

/** The profile as the text of an HTML file: the roofline and the tables. */
export function renderProfilePage(profile: StepProfile): string {
  const { options, step, phases, ops, shapes } = profile;
  const title = `superbatch profile: ${describeStep(options)}`;
  const tables = phases && ops && shapes
    ? `<h2>By phase</h2>${table("phase", phases)}
<h2>By op</h2>${table("op", ops)}
<h2>By shape</h2>${table("op [m×k×n, or the largest tensor]", shapes)}
<p class="note">${escapeHtml(bytesNote)}</p>`
    : `<p>${escapeHtml(noTimestamps)}</p>`;
  const svg = renderRoofline(profile);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}${pageStyle}</style>
</head>
<body>
<main>
<h1>A step takes ${step.milliseconds.toPrecision(3)} ms, at ${
    percent(step.peakShare)
  } of the multiply-add peak</h1>
<p class="lead">${escapeHtml(`${describeStep(options)}, on ${profile.adapter}`)}</p>
${
    svg === "" ? "" : `<figure>${svg}
<div class="legend">${
      legend.map(([bound, text]) => `<span style="--dot: ${boundColors[bound]}">${escapeHtml(text)}</span>`)
        .join("")
    }</div>
<figcaption>One dot an op, its area in proportion to its share of the step. The further below the roof, the more could be
won. In the grey column nothing is counted as computed: a dot is as far below the roof as its bytes a second are below
the copy's. Both roofs were measured just before.</figcaption></figure>`
  }
<h2>The step</h2>
<div class="scroll"><table><tbody>${
    [...peakLines(profile), ["step", stepLine(profile)], ["CPU", cpuLine(profile)]]
      .map(([name, value]) =>
        `<tr><td>${escapeHtml(name)}</td><td style="text-align: left; white-space: normal">${
          escapeHtml(value)
        }</td></tr>`
      ).join("")
  }</tbody></table></div>
${tables}
</main>
</body>
</html>
`;
}

/** The roofline as the text of an SVG file, with the colours that the page would lend it; empty without ops. */
export function renderProfileSvg(profile: StepProfile): string {
  const svg = renderRoofline(profile);
  const own = `<style>${
    style.slice(0, style.indexOf("* {"))
  } svg { background: var(--paper); color: var(--ink);
  font-family: ui-sans-serif, system-ui, sans-serif; }</style>`;
  return svg.replace(/^<svg[^>]*>/, (opening) => `${opening}${own}`);
}

function table(name: string, rows: readonly ProfileRow[]): string {
  const cells = (tag: string, values: readonly string[]) =>
    values.map((value) => `<${tag}>${escapeHtml(value)}</${tag}>`).join("");
  return `<div class="scroll"><table><thead><tr>${cells("th", [name, ...tableHeadings])}</tr></thead><tbody>${
    rows.map((row) => `<tr>${cells("td", [row.name, ...tableCells(row)])}</tr>`).join("\n")
  }</tbody></table></div>`;
}
