import assert from "node:assert/strict";
import { activations } from "../../src/ops/matmul.ts";
import { attention, attentionBackward } from "./attention.ts";
import { block, blockBackward } from "./block.ts";
import { checkGradients, type Claim } from "./central_difference.ts";
import { sigmoidLoss, softmaxLoss } from "./contrastive_loss.ts";
import { gelu, geluBackward, normalShare } from "./gelu.ts";
import { l2Normalize, l2NormalizeBackward } from "./l2_normalize.ts";
import { lastToken, lastTokenBackward } from "./last_token.ts";
import { layerNorm, layerNormBackward } from "./layer_norm.ts";
import { linear, linearBackward } from "./linear.ts";
import { mapHead, mapHeadBackward } from "./map_head.ts";
import { type Form, matmul, matmulBackward } from "./matmul.ts";
import type { Parameters } from "./parameters.ts";
import { embedPatches, embedPatchesBackward } from "./patch_embedding.ts";
import { dot, randomArray } from "./random_array.ts";
import { embedTokens, embedTokensBackward } from "./token_embedding.ts";

const claim = (value: Float64Array, gradient: Float64Array): Claim => ({ value, gradient });

Deno.test("the checker refuses a gradient that is 1e-5 off", () => {
  const x = randomArray(1, 3), f = () => dot(x, x);
  const gradient = x.map((value) => 2 * value);
  checkGradients(f, { x: claim(x, gradient) });
  gradient[1] *= 1.00001;
  assert.throws(() => checkGradients(f, { x: claim(x, gradient) }), /gradient of x\[1\]/);
});

for (const form of ["NN", "NT", "TN"] satisfies Form[]) {
  Deno.test(`matmul ${form}`, () => {
    const size = { m: 3, n: 5, k: 4 },
      a = randomArray(1, 12),
      b = randomArray(2, 20),
      dc = randomArray(3, 15);
    const { da, db } = matmulBackward(form, a, b, dc, size);
    checkGradients(() => dot(matmul(form, a, b, size), dc), { a: claim(a, da), b: claim(b, db) });
  });
}

Deno.test("matmul by hand, in all forms", () => {
  const expected = Float64Array.of(19, 22, 43, 50), size = { m: 2, n: 2, k: 2 };
  assert.deepEqual(matmul("NN", [1, 2, 3, 4], [5, 6, 7, 8], size), expected);
  assert.deepEqual(matmul("NT", [1, 2, 3, 4], [5, 7, 6, 8], size), expected);
  assert.deepEqual(matmul("TN", [1, 3, 2, 4], [5, 6, 7, 8], size), expected);
});

Deno.test("linear", () => {
  const x = randomArray(1, 12),
    weight = randomArray(2, 20),
    bias = randomArray(3, 5),
    dy = randomArray(4, 15);
  const { dx, dweight, dbias } = linearBackward(x, weight, dy);
  checkGradients(() => dot(linear(x, weight, bias), dy), {
    x: claim(x, dx),
    weight: claim(weight, dweight),
    bias: claim(bias, dbias),
  });
});

Deno.test("layer norm", () => {
  const x = randomArray(1, 15), weight = randomArray(2, 5), bias = randomArray(3, 5), dy = randomArray(4, 15);
  const { dx, dweight, dbias } = layerNormBackward(x, weight, dy);
  checkGradients(() => dot(layerNorm(x, weight, bias).y, dy), {
    x: claim(x, dx),
    weight: claim(weight, dweight),
    bias: claim(bias, dbias),
  });
  const { y } = layerNorm(
    x.map((value) => 100 + 7 * value),
    new Float64Array(5).fill(1),
    new Float64Array(5),
  );
  assert.ok(Math.abs(dot(y, y) / 15 - 1) < 1e-6);
});

// y at 1, by Python's math.tanh, math.erf and math.exp.
const geluAtOne = {
  "gelu-tanh": 0.8411919906082768,
  "gelu": 0.8413447460685429,
  "quick-gelu": 0.8457957659328212,
};
for (const form of activations) {
  Deno.test(`GELU, ${form}`, () => {
    const x = randomArray(1, 20, 2), dy = randomArray(2, 20);
    checkGradients(() => dot(gelu(x, form), dy), { x: claim(x, geluBackward(x, dy, form)) });
    assert.ok(Math.abs(gelu([1], form)[0] - geluAtOne[form]) < 1e-15);
  });
}

Deno.test("the normal distribution's share below a number, where its two forms meet and far out", () => {
  for (const sign of [-1, 1]) {
    const edge = sign * 2.5 * Math.SQRT2;
    assert.ok(Math.abs(normalShare(edge * (1 - 1e-12)) - normalShare(edge * (1 + 1e-12))) < 1e-13);
  }
  assert.ok(Math.abs(normalShare(-6) / 9.865876450376946e-10 - 1) < 1e-12);
  assert.equal(normalShare(40), 1);
});

Deno.test("causal attention", () => {
  const size = { examples: 2, queries: 3, keys: 3, heads: 2, width: 4, causal: true };
  const q = randomArray(1, 24), k = randomArray(2, 24), v = randomArray(3, 24), dout = randomArray(4, 24);
  const { dq, dk, dv } = attentionBackward({ q, k, v }, dout, size);
  checkGradients(() => dot(attention({ q, k, v }, size).out, dout), {
    q: claim(q, dq),
    k: claim(k, dk),
    v: claim(v, dv),
  });
  attention({ q, k, v }, size).out.subarray(0, 4).forEach((value, i) =>
    assert.ok(Math.abs(value - v[i]) < 1e-12)
  );
});

for (const sharedQueries of [false, true]) {
  for (const masked of [false, true]) {
    Deno.test(`attention${sharedQueries ? ", shared queries" : ""}${masked ? ", masked keys" : ""}`, () => {
      const size = { examples: 2, queries: 3, keys: 5, heads: 2, width: 6, sharedQueries };
      const q = randomArray(1, sharedQueries ? 18 : 36), k = randomArray(2, 60), v = randomArray(3, 60);
      const mask = masked ? [1, 0, 1, 1, 0, 0, 0, 0, 0, 1] : undefined;
      const dout = randomArray(4, 36);
      const { dq, dk, dv } = attentionBackward({ q, k, v, mask }, dout, size);
      checkGradients(() => dot(attention({ q, k, v, mask }, size).out, dout), {
        q: claim(q, dq),
        k: claim(k, dk),
        v: claim(v, dv),
      });
      if (masked) assert.deepEqual([...dv.slice(6, 12)], Array(6).fill(0));
    });
  }
}

Deno.test("attention with one valid key copies its value; large scores do not overflow; no valid key is an error", () => {
  const size = { examples: 1, queries: 1, keys: 2, heads: 1, width: 2 }, v = [1, 2, 3, 4];
  assert.deepEqual([...attention({ q: [1, 1], k: [9, 9, 0, 0], v, mask: [0, 1] }, size).out], [3, 4]);
  assert.deepEqual([...attention({ q: [1e4, 0], k: [1e4, 0, 0, 0], v }, size).out], [1, 2]);
  assert.throws(() => attention({ q: [1, 1], k: [9, 9, 0, 0], v, mask: [0, 0] }, size), /masks every key/);
});

for (const patchSize of [2, 4, 1]) {
  Deno.test(`patch embedding at patch size ${patchSize}, stored for 2`, () => {
    const kernel = randomArray(1, 2 * 2 * 3 * 3), bias = randomArray(2, 3), position = randomArray(3, 4 * 3);
    const pixels = Uint8Array.from(randomArray(4, 2 * 4 * 4 * 3, 60), (value) => value + 128);
    const patches = (4 / patchSize) ** 2, dy = randomArray(5, 2 * patches * 3);
    const parameters = { kernel, bias, position };
    const { dkernel, dbias, dposition } = embedPatchesBackward(pixels, parameters, dy, 4, patchSize);
    checkGradients(() => dot(embedPatches(pixels, parameters, 4, patchSize), dy), {
      kernel: claim(kernel, dkernel),
      bias: claim(bias, dbias),
      position: claim(position, dposition),
    });
  });
}

Deno.test("token embedding, with repeated tokens", () => {
  const tokens = [4, 1, 1, 0, 4, 4],
    table = randomArray(1, 15),
    position = randomArray(2, 9),
    dy = randomArray(3, 18);
  const { dtable, dposition } = embedTokensBackward(tokens, dy, { vocabulary: 5, tokens: 3, width: 3 });
  checkGradients(() => dot(embedTokens(tokens, table, position, 3), dy), {
    table: claim(table, dtable),
    position: claim(position, dposition),
  });
});

Deno.test("last-token pooling", () => {
  const x = randomArray(1, 2 * 3 * 4), dy = randomArray(2, 8);
  checkGradients(() => dot(lastToken(x, 3, 4), dy), { x: claim(x, lastTokenBackward(dy, 3, 4)) });
});

Deno.test("L2 normalisation", () => {
  const y = randomArray(1, 12), dz = randomArray(2, 12);
  checkGradients(() => dot(l2Normalize(y, 4), dz), { y: claim(y, l2NormalizeBackward(y, dz, 4)) });
  assert.deepEqual([...l2Normalize([0, 0], 2), ...l2NormalizeBackward([0, 0], [0, 0], 2)], [0, 0, 0, 0]);
});

for (const loss of [sigmoidLoss, softmaxLoss]) {
  Deno.test(loss.name, () => {
    const image = l2Normalize(randomArray(1, 20), 4), text = l2Normalize(randomArray(2, 20), 4);
    const pairing = { image, text, logitScale: Float64Array.of(1.3), logitBias: Float64Array.of(-0.7) };
    const result = loss(pairing, 5);
    checkGradients(() => loss(pairing, 5).loss, {
      image: claim(image, result.dimage),
      text: claim(text, result.dtext),
      logitScale: claim(pairing.logitScale, result.dlogitScale),
      logitBias: claim(pairing.logitBias, result.dlogitBias),
    });
  });
}

Deno.test("the losses of uninformative embeddings are known", () => {
  const zeros = new Float64Array(12), logitScale = Float64Array.of(2), logitBias = Float64Array.of(0);
  const pairing = { image: zeros, text: zeros, logitScale, logitBias };
  assert.ok(Math.abs(sigmoidLoss(pairing, 4).loss - 4 * Math.LN2) < 1e-12);
  assert.ok(Math.abs(softmaxLoss(pairing, 4).loss - Math.log(4)) < 1e-12);
});

/** Parameters of the given sizes, weights and biases alike random. */
const randomParameters = (sizes: Record<string, number>): Parameters =>
  Object.fromEntries(Object.entries(sizes).map(([name, size], i) => [name, randomArray(10 + i, size, 0.5)]));

const claims = (parameters: Parameters, gradients: Parameters): Record<string, Claim> =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name, claim(value, gradients[name])]),
  );

const mlpSizes = { "b.mlp.in.weight": 24, "b.mlp.in.bias": 6, "b.mlp.out.weight": 24, "b.mlp.out.bias": 4 };

Deno.test("a transformer block", () => {
  const size = { examples: 2, tokens: 3, width: 4, heads: 2 },
    x = randomArray(1, 24),
    dy = randomArray(2, 24);
  const parameters = randomParameters({
    "b.norm1.weight": 4,
    "b.norm1.bias": 4,
    "b.attention.qkv.weight": 48,
    "b.attention.qkv.bias": 12,
    "b.attention.out.weight": 16,
    "b.attention.out.bias": 4,
    "b.norm2.weight": 4,
    "b.norm2.bias": 4,
    ...mlpSizes,
  });
  const gradients: Parameters = {}, dx = blockBackward(parameters, "b", x, dy, size, gradients);
  checkGradients(() => dot(block(parameters, "b", x, size), dy), {
    x: claim(x, dx),
    ...claims(parameters, gradients),
  });
});

Deno.test("an attention-pooling head", () => {
  const size = { examples: 2, tokens: 3, width: 4, heads: 2 }, x = randomArray(1, 24), dy = randomArray(2, 8);
  const parameters = randomParameters({
    "b.probe": 4,
    "b.q.weight": 16,
    "b.q.bias": 4,
    "b.kv.weight": 32,
    "b.kv.bias": 8,
    "b.out.weight": 16,
    "b.out.bias": 4,
    "b.norm.weight": 4,
    "b.norm.bias": 4,
    ...mlpSizes,
  });
  const gradients: Parameters = {}, dx = mapHeadBackward(parameters, "b", x, dy, size, gradients);
  checkGradients(() => dot(mapHead(parameters, "b", x, size), dy), {
    x: claim(x, dx),
    ...claims(parameters, gradients),
  });
});
