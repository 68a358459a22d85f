/**
 * The report of a reproduction: one self-contained page.
 *
 * @module
 */

import { renderFigure, standaloneFigure } from "../report/figure.ts";
import { escapeHtml } from "../report/report.ts";
import { style } from "../report/style.ts";
import type { ClaimResult, Table } from "./claim.ts";
import type { Verdict } from "./statistics.ts";

/** A reproduction: `results.json`. */
export interface Reproduction {
  /** The adapter's description. */
  readonly adapter: string;
  /** When it ended, in ISO 8601. */
  readonly date: string;
  readonly scale: string;
  readonly seeds: readonly number[];
  /** The command that makes it again. */
  readonly command: string;
  readonly seconds: number;
  readonly claims: readonly ClaimResult[];
  /** Whose pictures were trained on, and under which licences. */
  readonly attributions: readonly string[];
}

const outcome = (claim: ClaimResult): Verdict | "failed" =>
  "finding" in claim ? claim.finding.verdict : "failed";

const pageStyle = `
.verdict { display: inline-block; border-radius: 99px; padding: .05rem .6rem; font-size: .82rem; font-weight: 600; white-space: nowrap; }
.reproduced { background: #05966922; color: #059669; }
.not-reproduced, .failed { background: #dc262622; color: #dc2626; }
.inconclusive { background: #6b728022; color: var(--soft); }
.overview td { text-align: left; white-space: normal; vertical-align: top; padding: .5rem .7rem; }
.overview td:first-child { padding-left: 0; }
.overview a { color: inherit; }
.paper { border-left: 3px solid var(--line); padding-left: 1rem; color: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); gap: 1.5rem; margin: 1rem 0; }
@media (prefers-color-scheme: dark) { .reproduced { color: #34d399; } .not-reproduced, .failed { color: #f87171; } }
`;

function badge(claim: ClaimResult): string {
  const word = outcome(claim);
  return `<span class="verdict ${word.replace(" ", "-")}">${word}</span>`;
}

/** The report as the text of an HTML file. */
export function renderReproduction(reproduction: Reproduction): string {
  const { adapter, date, scale, seeds, command, seconds, claims, attributions } = reproduction;
  const count = (wanted: ReturnType<typeof outcome>) =>
    claims.filter((claim) => outcome(claim) === wanted).length;
  const counts = (["reproduced", "not reproduced", "inconclusive", "failed"] as const)
    .map((word) => [count(word), word] as const).filter(([number]) => number > 0)
    .map(([number, word]) => `${number} ${word}`).join(", ");
  const e = escapeHtml;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>JEST's claims in miniature</title>
<style>${style}${pageStyle}</style>
</head>
<body>
<main>
<h1>JEST's claims in miniature: ${e(counts)}</h1>
<p class="lead">${e(adapter)}; scale ${e(scale)}; ${
    seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds.join(", ")}`
  }; ${Math.round(seconds / 60)} min; ${e(date.slice(0, 10))}</p>
<p>Each claim of <i>Data curation via joint example selection further accelerates multimodal learning</i> (Evans et al.,
<a href="https://arxiv.org/abs/2406.17711">arXiv:2406.17711</a>) is tried on small pictures with small models, and
so are claims about what goes beyond the paper. A verdict is about
this miniature: whether the direction of the claim shows here. Intervals are 95 % bootstrap intervals over the seeds.</p>
<pre>${e(command)}</pre>
<div class="scroll"><table class="overview"><tbody>${
    claims.map((claim) =>
      `<tr><td>${claim.number}</td><td><a href="#claim-${claim.number}">${e(claim.title)}</a></td><td>${
        badge(claim)
      }</td><td class="soft">${e("finding" in claim ? claim.finding.summary : claim.error)}</td></tr>`
    ).join("\n")
  }</tbody></table></div>
${claims.map(section).join("\n")}
<h2>Pictures</h2>
<ul>${attributions.map((line) => `<li>${e(line)}</li>`).join("")}</ul>
</main>
</body>
</html>
`;
}

function section(claim: ClaimResult): string {
  const e = escapeHtml;
  const head = `<h2 id="claim-${claim.number}">${claim.number}. ${e(claim.title)} ${badge(claim)}</h2>
<p class="paper">${claim.paper === null ? "Beyond the paper." : `The paper: ${e(claim.paper)}`}</p>
<p class="note">Here: ${e(claim.measure)}</p>`;
  if (!("finding" in claim)) return `${head}<p>It could not be tried: ${e(claim.error)}</p>`;
  const { summary, figures, tables } = claim.finding;
  return `${head}
<p>${e(summary)}</p>
<div class="figures">${
    figures.map((figure) =>
      `<figure>${renderFigure(figure)}<figcaption>${e(figure.title)}</figcaption></figure>`
    )
      .join("\n")
  }</div>
${tables.map(renderTable).join("\n")}`;
}

/** The figures of a claim as SVG files, named by its number. */
export function figureFiles(claim: ClaimResult): { readonly name: string; readonly svg: string }[] {
  if (!("finding" in claim)) return [];
  return claim.finding.figures.map((figure, at) => ({
    name: `claim-${claim.number}-${at + 1}.svg`,
    svg: standaloneFigure(figure),
  })).filter(({ svg }) => svg !== "");
}

function renderTable({ title, headings, rows }: Table): string {
  const cells = (tag: string, values: readonly string[]) =>
    values.map((value) => `<${tag}>${escapeHtml(value)}</${tag}>`).join("");
  return `<h3>${escapeHtml(title)}</h3><div class="scroll"><table><thead><tr>${
    cells("th", headings)
  }</tr></thead><tbody>${rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("\n")}</tbody></table></div>`;
}
