/** Several references as one: rows side by side have the mean of their logits. */
import assert from "node:assert/strict";
import { type Member, sideBySide, together } from "../../src/run/ensemble.ts";
import { unitRows } from "../eval/embeddings.ts";

const member = (width: number, logitScale: number, logitBias: number, seed: number) => ({
  width,
  logitScale,
  logitBias,
  image: unitRows(seed, 5, width),
  text: unitRows(seed + 1, 5, width),
});
const members = [member(4, 10, -10, 1), member(12, 3, -1, 3), member(8, 40, 2, 5)];

function logits(
  { width, logitScale, logitBias }: Member,
  image: Float32Array,
  text: Float32Array,
) {
  return Array.from({ length: 25 }, (_, at) => { // every picture by every caption
    let dot = 0;
    for (let d = 0; d < width; d++) dot += image[Math.floor(at / 5) * width + d] * text[at % 5 * width + d];
    return logitScale * dot + logitBias;
  });
}

Deno.test("the logits are the mean of the members', and the rows of unit length", () => {
  const image = sideBySide(members, ({ image }) => image), text = sideBySide(members, ({ text }) => text);
  const all = together(members);
  assert.deepEqual(all, { width: 24, logitScale: 53 / 3, logitBias: -3 });
  const each = members.map((member) => logits(member, member.image, member.text));
  logits(all, image, text).forEach((logit, at) => {
    const mean = each.reduce((sum, logits) => sum + logits[at], 0) / 3;
    assert.ok(Math.abs(logit - mean) < 1e-5, `${logit} is not ${mean}`);
  });
  for (const rows of [image, text]) {
    for (let row = 0; row < 5; row++) {
      assert.ok(Math.abs(Math.hypot(...rows.subarray(row * 24, (row + 1) * 24)) - 1) < 1e-6);
    }
  }
});

Deno.test("one member is what it was", () => {
  const [only] = members;
  assert.equal(sideBySide([only], ({ image }) => image), only.image);
  assert.deepEqual(together([only]), { width: 4, logitScale: 10, logitBias: -10 });
});
