/** Scoring a super-batch in parts changes nothing. */
import assert from "node:assert/strict";
import { adamWDefaults, stepState } from "../../src/optim/adamw.ts";
import { compileStep } from "../../src/train/step.ts";
import { indexTokens } from "../../src/train/token_index.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { randomPairs, REFERENCE_WIDTH, tinyConfig, tinyModel } from "./tiny.ts";

for (const pool of ["map", "flatten"] as const) {
  Deno.test(
    { name: `scoring 160 examples 64 at a time selects the same, ${pool}`, ...sharesDevice },
    async () => {
      const device = await testDevice(), superBatch = 160, batch = 32;
      const { pixels, tokens, reference } = randomPairs(superBatch);
      const run = async (scoreBatch: number) => {
        using model = tinyModel(device, { pool });
        using step = await compileStep(device, model.parameters, {
          config: tinyConfig(pool),
          superBatch,
          batch,
          sampler: "joint",
          score: "learnability",
          iterations: 0,
          chunks: 4,
          gain: 1,
          seed: 1,
          referenceWidth: REFERENCE_WIDTH,
          patchSize: 4,
          scorePatchSize: 4,
          scoreDrop: 0,
          coarseShare: 0,
          loss: "sigmoid",
          optimizer: adamWDefaults,
          ringCapacity: 1,
          scoreBatch,
        });
        const index = indexTokens(tokens, 300);
        const scalars = { referenceScale: Float32Array.of(Math.log(10)), referenceBias: Float32Array.of(-5) };
        const inputs = {
          pixels,
          tokens,
          ...index,
          ...scalars,
          referenceImage: reference.image,
          referenceText: reference.text,
          step: stepState(1, 1e-3, adamWDefaults),
        };
        for (const [name, data] of Object.entries(inputs)) {
          device.write(step.inputs[name as keyof typeof inputs].buffer, data);
        }
        device.submit(step.program.recording);
        const { buffer, sizeBytes } = step.diagonal!;
        return {
          selected: new Uint32Array((await step.indices.read(0, 1))[0]),
          scores: new Float32Array(await device.read(buffer, 0, sizeBytes)),
          scoreFlops: step.program.flops("score"),
        };
      };
      const whole = await run(256), parts = await run(64);
      for (const { selected, scores } of [parts, await run(30)]) { // 30: rows that start off the grid of bindings
        assert.deepEqual(selected, whole.selected);
        assert.deepEqual(scores, whole.scores);
      }
      // With the map head, the query of the probe is computed once a part.
      const query = pool === "map" ? 2 * 2 * 16 * 16 : 0;
      assert.equal(parts.scoreFlops, whole.scoreFlops + query);
    },
  );
}
