/** The report as a page: well-formed, whole, self-contained, and harmless whatever the captions say. */
import assert from "node:assert/strict";
import { parseHTML } from "linkedom";
import { escapeHtml, renderReport } from "../../src/report/report.ts";
import { demoReport, hostileCaption } from "./demo_run.ts";

/** What these tests ask of an element. */
interface Element {
  readonly textContent: string;
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): Iterable<Element>;
}

const html = renderReport(demoReport);
const { document } = parseHTML(html) as unknown as { document: Element };
const all = (selector: string) => [...document.querySelectorAll(selector)];
const texts = (selector: string) => all(selector).map(({ textContent }) => textContent.trim());

Deno.test("the headline holds the two arms against each other", () => {
  assert.deepEqual(texts("h1"), ["JEST scores 5.0 × uniform sampling at equal examples"]);
  assert.deepEqual(texts("thead th"), ["", "JEST", "uniform", "reference"]);
});

Deno.test("the first paragraph gives the scores behind the ratio, and says that they are one run's", () => {
  assert.match(texts(".lead")[0], /: JEST 10\.5 %, uniform 2\.1 %\. One run, one seed\.$/);
});

Deno.test("captions, queries and options cannot become markup", () => {
  assert.equal(all("script").length, 0);
  assert.doesNotMatch(html, /<script/i);
  assert.ok(texts(".tile b").includes(hostileCaption));
  assert.ok(all("img").some((image) => image.getAttribute("alt") === hostileCaption));
  assert.equal(escapeHtml(`<&>"'`), "&lt;&amp;&gt;&quot;&#39;");
});

Deno.test("nothing is loaded from elsewhere", () => {
  assert.equal(all("link, iframe, object").length, 0);
  assert.doesNotMatch(html, /url\(|@import/);
  for (const image of all("img")) assert.match(image.getAttribute("src")!, /^data:image\/png;base64,/);
});

Deno.test("every picture and chart has words for those who do not see it", () => {
  for (const image of all("img")) assert.ok(image.getAttribute("alt"));
  const charts = all("svg[role=img]").map((chart) => chart.getAttribute("aria-label")!);
  assert.ok(charts.length >= 9, `${charts.length} charts`);
  assert.match(
    charts[0],
    /Score against trained examples: R@5 .*JEST ends at 10\.5 %; uniform ends at 2\.09 %/,
  );
});

Deno.test("a contact sheet shows the selected and the rejected of each snapshot, best first", () => {
  assert.deepEqual(texts("h3").slice(0, 3), ["Step 1", "Step 60", "Step 120"]);
  assert.deepEqual(texts("section:first-of-type h4"), [
    "Selected 20 of 60, 25 % in-domain",
    "Rejected 40 of 60, 25 % in-domain",
  ]);
  const sheets = all("section .sheet").map((sheet) =>
    [...sheet.querySelectorAll("figcaption")].map(({ textContent }) =>
      Number(/(−?[\d.]+)$/.exec(textContent.trim())![1].replace("−", "-"))
    )
  );
  assert.deepEqual(sheets.map(({ length }) => length), [20, 24, 20, 24, 20, 24]);
  for (const scores of sheets) assert.deepEqual(scores, scores.toSorted((a, b) => b - a));
});

Deno.test("the command, the options and the thanks are there", () => {
  assert.deepEqual(texts("pre"), [demoReport.command]);
  assert.ok(texts("td").includes("preset"));
  assert.deepEqual(texts("li"), [...demoReport.attributions]);
});

Deno.test("a run without selection, reference or comparison still makes a page", () => {
  const { compare: _, reference: __, ...summary } = demoReport.summary;
  const { document } = parseHTML(renderReport({
    ...demoReport,
    summary: { ...summary, arm: "uniform" },
    config: { sampler: "uniform" },
    metrics: demoReport.metrics.filter(({ arm }) => arm === "uniform"),
    snapshots: [],
    searches: [],
    poolShares: undefined,
  })) as unknown as { document: Element };
  const [heading] = document.querySelectorAll("h1");
  assert.equal(heading.textContent, "10.5 % of held-out pairs found among the first five");
  assert.deepEqual([...document.querySelectorAll("thead th")].map(({ textContent }) => textContent), [
    "",
    "uniform",
  ]);
  assert.ok(![...document.querySelectorAll("h2")].some(({ textContent }) => textContent === "Search"));
  assert.match(
    document.querySelectorAll("body")[Symbol.iterator]().next().value!.textContent,
    /nothing was scored/,
  );
});

Deno.test("a run by another score and sampler is told as that", () => {
  const { document } = parseHTML(renderReport({
    ...demoReport,
    summary: { ...demoReport.summary, arm: "top-k" },
    config: { sampler: "top-k", score: "easy-reference" },
    metrics: demoReport.metrics.map((line) => line.arm === "joint" ? { ...line, arm: "top-k" } : line),
  })) as unknown as { document: Element };
  const [text] = Array.from(document.querySelectorAll("body"), ({ textContent }) => textContent);
  assert.match(text, /how easy it is for the reference, and trains on the part that top-k selection takes/);
  assert.match(text, /minus the reference's loss/);
  assert.deepEqual([...document.querySelectorAll("thead th")].map(({ textContent }) => textContent), [
    "",
    "top-k",
    "uniform",
    "reference",
  ]);
});
