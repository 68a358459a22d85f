import assert from "node:assert/strict";
import { noInformationLoss } from "../../src/losses/no_information.ts";

const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

Deno.test("no constant logit has a lower loss than the no-information value, and the best one has just that", () => {
  for (const batch of [2, 8, 64, 1024]) {
    // The sigmoid loss of one example when all b logits are equal.
    const sigmoid = (logit: number) => softplus(-logit) + (batch - 1) * softplus(logit);
    const least = noInformationLoss("sigmoid", batch), best = -Math.log(batch - 1);
    assert.ok(Math.abs(sigmoid(best) - least) < 1e-9 * least, `${sigmoid(best)} and ${least}`);
    for (let logit = -12; logit <= 3; logit += 0.25) assert.ok(sigmoid(logit) >= least - 1e-9);
    // Softmax over equal logits gives every pair 1/b.
    assert.ok(Math.abs(noInformationLoss("softmax", batch) + Math.log(1 / batch)) < 1e-12);
  }
});
