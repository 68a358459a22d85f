import assert from "node:assert/strict";
import { adamW, clipFactor, warmUpCosine } from "./adamw.ts";

const close = (actual: number, expected: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual}, expected ${expected}`);

const settings = { learningRate: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0 };
const state = (value: number) => ({
  parameter: Float64Array.of(value),
  firstMoment: new Float64Array(1),
  secondMoment: new Float64Array(1),
});

Deno.test("the first update moves by the learning rate against the gradient, whatever its size", () => {
  for (const gradient of [1e-3, 5, -2e4]) {
    const one = state(1);
    adamW(one, [gradient], 1, settings);
    close(one.parameter[0], 1 - 0.1 * Math.sign(gradient), 1e-6);
  }
});

Deno.test("without a gradient only the decay acts, and it is decoupled from the moments", () => {
  const one = state(2);
  adamW(one, [0], 1, { ...settings, weightDecay: 0.5 });
  close(one.parameter[0], 2 * (1 - 0.1 * 0.5));
  assert.deepEqual([...one.firstMoment, ...one.secondMoment], [0, 0]);
});

Deno.test("two updates by hand", () => {
  const one = state(0);
  adamW(one, [1], 1, settings);
  adamW(one, [-3], 2, settings);
  const mean = (0.9 * 0.1 - 0.3) / (1 - 0.81), square = (0.95 * 0.05 + 0.05 * 9) / (1 - 0.9025);
  close(one.parameter[0], -0.1 * (1 / (1 + 1e-8)) - 0.1 * mean / (Math.sqrt(square) + 1e-8));
});

Deno.test("clipping leaves short gradients and brings long ones to the limit", () => {
  assert.deepEqual(clipFactor([[0.3], [0.4]], 1), { norm: 0.5, factor: 1 });
  const { norm, factor } = clipFactor([[3], [0, 4]], 1);
  close(norm, 5);
  close(norm * factor, 1, 1e-6);
});

Deno.test("the learning rate rises to its peak, falls to half midway and nearly to zero", () => {
  const rate = (step: number) => warmUpCosine(step, 110, 2, 10);
  close(rate(0), 0.2);
  close(rate(9), 2);
  close(rate(10), 2);
  close(rate(60), 1);
  assert.ok(rate(109) > 0 && rate(109) < 0.001);
  for (let step = 10; step < 109; step++) assert.ok(rate(step + 1) < rate(step));
});
