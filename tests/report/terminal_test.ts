import assert from "node:assert/strict";
import { compact, evaluationTable, flop, terminalSummary } from "../../src/report/terminal.ts";
import { demoSummary } from "./demo_run.ts";

Deno.test("numbers are short and keep three digits", () => {
  assert.deepEqual([0, 0.25, -1.5, 999, 5000, 1.234e9, 5.456e11, 1e15].map(compact), [
    "0",
    "0.25",
    "−1.5",
    "999",
    "5 k",
    "1.23 G",
    "546 G",
    "1 P",
  ]);
  assert.deepEqual([0, 5.456e11].map(flop), ["0 FLOP", "546 GFLOP"]);
});

Deno.test("the columns of the table stand below their names", () => {
  const lines = evaluationTable({ JEST: demoSummary.evaluation, reference: demoSummary.reference! }).split(
    "\n",
  );
  const ends = (line: string) =>
    [...line.matchAll(/(?:JEST|reference|\d %|0\.\d{3})(?= |$)/g)].map((m) => m.index + m[0].length);
  for (const line of lines) assert.deepEqual(ends(line).slice(0, 2), ends(lines[0]), line);
});

Deno.test("the summary names both arms, the cost and the report", () => {
  const text = terminalSummary(demoSummary);
  assert.match(text, /JEST +uniform +reference/);
  assert.match(text, /7,680 examples trained of 76,800 drawn in 120 steps; loss 7\.000 → 3\.300/);
  assert.match(text, /48 GFLOP training, 156 GFLOP scoring, 330 GFLOP for the reference/);
  assert.match(text, /Report: runs\/2026-01-02-030405-demo\/report\.html$/);
});
