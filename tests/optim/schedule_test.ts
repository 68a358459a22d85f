import assert from "node:assert/strict";
import { warmUpCosine } from "../../src/optim/schedule.ts";
import { warmUpCosine as expected } from "../reference/adamw.ts";

Deno.test("the rate rises linearly to its peak, then falls along half a cosine", () => {
  const rates = Array.from({ length: 100 }, (_, step) => warmUpCosine(step, 100, 0.01, 10));
  assert.equal(rates[0], 0.001);
  assert.equal(rates[9], 0.01);
  assert.equal(rates[10], 0.01);
  assert.ok(Math.abs(rates[55] - 0.005) < 1e-12); // half way down
  assert.ok(rates[99] > 0 && rates[99] < 1e-5);
  for (let step = 11; step < 100; step++) assert.ok(rates[step] < rates[step - 1]);
  rates.forEach((rate, step) => assert.ok(Math.abs(rate - expected(step, 100, 0.01, 10)) < 1e-15));
});

Deno.test("runs without warm-up, of warm-up only and of one step have finite rates", () => {
  assert.equal(warmUpCosine(0, 10, 2, 0), 2);
  assert.equal(warmUpCosine(9, 10, 2, 10), 2);
  assert.equal(warmUpCosine(0, 1, 2, 0), 2);
  assert.equal(warmUpCosine(0, 1, 2, 1), 2);
});
