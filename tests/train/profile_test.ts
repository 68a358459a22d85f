/** What a measurement says against the roofs, on numbers with known answers. */
import assert from "node:assert/strict";
import type { Peaks } from "../../src/gpu/peaks.ts";
import type { DispatchProfile } from "../../src/graph/profile.ts";
import { profileRows, rates, summariseProfile } from "../../src/train/profile.ts";

/** 100 GFLOP/s, 10 GB/s, 100 µs a dispatch. */
const peaks: Peaks = {
  flopsPerSecond: 1e11,
  copyBytesPerSecond: 1e10,
  bufferCopyBytesPerSecond: 1e10,
  kernelCopyBytesPerSecond: 5e9,
  dispatchMicroseconds: 100,
};

const dispatch = (label: string, phase: string, flops: number, bytes: number, milliseconds: number) => ({
  label,
  phase,
  shape: "2×3×4 NN",
  flops,
  bytes,
  milliseconds,
});

const dispatches: DispatchProfile[] = [
  dispatch("matmul_direct.forward", "score", 2e8, 1e6, 4), // at least 2 ms of multiply-adds
  dispatch("copy.forward", "train", 0, 4e7, 5), // at least 4 ms of bytes
  dispatch("copy.forward", "train", 0, 0, 1),
  dispatch("tiny.forward", "score", 0, 100, 0.5), // at least 0.1 ms of launching
];

Deno.test("rates are work by time, and shares of the roofs", () => {
  assert.deepEqual(rates(5e8, 2e7, 10, peaks), {
    milliseconds: 10,
    flops: 5e8,
    bytes: 2e7,
    flopsPerSecond: 5e10,
    peakShare: 0.5,
    bytesPerSecond: 2e9,
    copyShare: 0.2,
  });
  assert.deepEqual(rates(1, 1, 0, peaks).flopsPerSecond, 0, "what took no time has no rate");
});

Deno.test("rows sum what shares a name, and tell the roof that asks for the most time", () => {
  const rows = profileRows(dispatches, peaks, ({ label }) => label);
  assert.deepEqual(rows.map(({ name, times, milliseconds }) => [name, times, milliseconds]), [
    ["matmul_direct.forward", 1, 4],
    ["copy.forward", 2, 6],
    ["tiny.forward", 1, 0.5],
  ]);
  assert.deepEqual(rows.map(({ boundBy }) => boundBy), ["compute", "memory", "launch"]);
  const near = (actual: number, expected: number) =>
    assert.ok(Math.abs(actual - expected) < 1e-12, `${actual}`);
  near(rows[0].boundShare, 0.5);
  near(rows[1].boundShare, 4 / 6);
  near(rows[2].boundShare, 0.1 / 0.5);
  near(rows.reduce((sum, { share }) => sum + share, 0), 1);
});

Deno.test("a summary keeps the order of phases and sorts ops by time; without timestamps it has neither", () => {
  const program = {
    milliseconds: 10.5,
    dispatches,
    encodeMicroseconds: 1,
    submitMicroseconds: 50,
    flops: 2e8,
    bytes: 4.1e7,
    count: 4,
  };
  const { step, phases, ops, shapes } = summariseProfile(program, peaks);
  assert.deepEqual(phases!.map(({ name }) => name), ["score", "train"]);
  assert.deepEqual(ops!.map(({ name }) => name), ["copy.forward", "matmul_direct.forward", "tiny.forward"]);
  assert.deepEqual(shapes![1].name, "matmul_direct.forward [2×3×4 NN]");
  assert.deepEqual([step.dispatches, step.milliseconds], [4, 10.5]);
  assert.ok(Math.abs(step.productShare! - 4 / 10.5) < 1e-12);
  const blind = summariseProfile({ ...program, dispatches: null }, peaks);
  assert.deepEqual([blind.phases, blind.ops, blind.shapes, blind.step.productShare], [
    null,
    null,
    null,
    null,
  ]);
});
