/**
 * What a step of ViT-B/16 costs, counted from its dispatches, against the formulas of JEST's paper (arXiv:2406.17711). With
 * F a learner's forward pass over a batch, A the cost of the coarse view by that of the full one, and S / b = 1 / (1 − f):
 * IID 3F, JEST 3F + F·S/b where the scoring pass is not kept for training, Flexi-JEST 3F(½ + ½A) + A·F·S/b.
 */
import assert from "node:assert/strict";
import { portableTraits } from "../../src/gpu/device.ts";
import { preset } from "../../src/models/config.ts";
import { planStep } from "../../src/train/plan.ts";
import type { TrainerOptions } from "../../src/train/trainer.ts";

const BATCH = 10, SUPER_BATCH = 50;
const config = preset("B/16");
const target = { traits: portableTraits, tuned: new Map<string, string>(), maxBindingBytes: 2 ** 40 };

function flops(options: Partial<TrainerOptions>): Record<string, number> {
  const plan = planStep(config, { batch: BATCH, steps: 1, seed: 1, learningRate: 1, ...options }, target);
  return Object.fromEntries(plan.phases.map(({ name, flops }) => [name, flops]));
}

// Forward passes over a batch, worked out by hand; both towers have the same width.
const { vision: { width, depth, hidden, imageSize }, text } = config;

function blocks(tokens: number): number {
  return depth * tokens * 2 * (4 * width * width + 2 * width * hidden + 2 * tokens * width);
}

function imageTower(patchSize: number): number {
  const patches = (imageSize / patchSize) ** 2;
  // The pooling head: keys and values of every token, then one row through output and MLP.
  const head = patches * 2 * (2 * width * width + 2 * width) + 2 * (width * width + 2 * width * hidden);
  return BATCH * (patches * 2 * 3 * patchSize ** 2 * width + blocks(patches) + head);
}

const textTower = BATCH * (blocks(text.tokens) + 2 * width * width);
const F = imageTower(16) + textTower, A = (imageTower(32) + textTower) / F;
const joint = {
  superBatch: SUPER_BATCH,
  sampler: "joint",
  reference: { logitScale: 1, logitBias: 0, width: config.embedding },
} as const;

function assertWithin(share: number, actual: number, expected: number): void {
  assert.ok(Math.abs(actual / expected - 1) < share, `${actual / F} F, expected ${expected / F} F`);
}

Deno.test("a step on random examples costs 3F", () => {
  assertWithin(0.05, flops({}).train, 3 * F);
});

Deno.test("the coarse view of 32 pixels costs about what the paper says: 28 %, the text tower apart", () => {
  const ratio = imageTower(32) / imageTower(16);
  assert.ok(ratio > 0.22 && ratio < 0.28, `${ratio}`);
});

Deno.test("JEST costs 3F for training and F·S/b for scoring, and next to nothing for selecting", () => {
  const { train, score, select } = flops(joint);
  assertWithin(0.05, train, 3 * F);
  assertWithin(0.05, score, F * SUPER_BATCH / BATCH);
  assert.ok(select < 0.001 * score);
});

Deno.test("Flexi-JEST costs 3F(½ + ½A) for training and A·F·S/b for scoring", () => {
  const { train, score } = flops({ ...joint, scorePatchSize: 32, coarseShare: 0.5 });
  assertWithin(0.05, train, 3 * F * (0.5 + 0.5 * A));
  assertWithin(0.05, score, A * F * SUPER_BATCH / BATCH);
});

Deno.test("dropping three quarters of the patches costs what patches of twice the side cost", () => {
  const { train, score } = flops({ ...joint, scoreDrop: 0.75, coarseShare: 0.5 });
  assertWithin(0.06, train, 3 * F * (0.5 + 0.5 * A));
  assertWithin(0.06, score, A * F * SUPER_BATCH / BATCH);
});
