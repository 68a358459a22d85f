/** Random super-batches: valid input of a step, the same for the same seed. */
import assert from "node:assert/strict";
import { randomSuperBatch } from "../../src/train/random_batch.ts";
import { tinyConfig } from "./tiny.ts";

Deno.test("a random super-batch has the shapes of the model, known tokens and unit embeddings", () => {
  const config = tinyConfig(), { pixels, tokens, reference } = randomSuperBatch(config, 7, 12, 1);
  assert.equal(pixels.length, 7 * 8 * 8 * 3);
  assert.ok(new Set(pixels).size > 200);
  assert.equal(tokens.length, 7 * 5);
  assert.ok(tokens.every((token) => token < config.text.vocabulary));
  for (const rows of [reference.image, reference.text]) {
    assert.equal(rows.length, 7 * 12);
    for (let row = 0; row < 7; row++) {
      assert.ok(Math.abs(Math.hypot(...rows.subarray(12 * row, 12 * row + 12)) - 1) < 1e-6);
    }
  }
  assert.notDeepEqual(reference.image, reference.text);
  assert.deepEqual(randomSuperBatch(config, 7, 12, 1), { pixels, tokens, reference });
  assert.notDeepEqual(randomSuperBatch(config, 7, 12, 2).tokens, tokens);
});

Deno.test("the pixels of a large super-batch are filled to the end", () => {
  const config = tinyConfig(), large = { ...config, vision: { ...config.vision, imageSize: 320 } };
  const { pixels } = randomSuperBatch(large, 3, 4, 1);
  assert.ok(new Set(pixels.subarray(-4096)).size > 200);
});
