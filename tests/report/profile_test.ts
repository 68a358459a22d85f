/** A step's profile as text, as a page and as a picture. */
import assert from "node:assert/strict";
import { renderProfilePage, renderProfileSvg } from "../../src/report/profile_page.ts";
import { noTimestamps, profileText } from "../../src/report/profile_text.ts";
import { dotRadius, renderRoofline } from "../../src/report/roofline.ts";
import { profileRows, type StepProfile, summariseProfile } from "../../src/train/profile.ts";

const peaks = {
  flopsPerSecond: 1e11,
  copyBytesPerSecond: 2e10,
  bufferCopyBytesPerSecond: 2e10,
  kernelCopyBytesPerSecond: 8e9,
  dispatchMicroseconds: 20,
};

const op = (label: string, flops: number, bytes: number, milliseconds: number) => ({
  label,
  phase: flops > 0 ? "score" : "train",
  shape: "64×64",
  flops,
  bytes,
  milliseconds,
});
const dispatches = [
  op("matmul_subgroup.forward", 8e8, 4e7, 20),
  op("attention_direct.forward", 2e7, 1e7, 4),
  ...Array.from({ length: 14 }, (_, at) => op(`move_${at}.forward`, 0, 1e6 * (1 + at % 3), 0.4 + at / 20)),
];
const program = {
  milliseconds: 40,
  encodeMicroseconds: 1.5,
  submitMicroseconds: 90,
  flops: 8.2e8,
  bytes: 7e7,
  count: 16,
};

const profile: StepProfile = {
  adapter: "a <GPU>",
  options: {
    model: "mini",
    batch: 64,
    superBatch: 640,
    sampler: "joint",
    chunks: 8,
    patchSize: 16,
    microBatch: 32,
    precision: "f16",
    recompute: true,
    reuseScoring: false,
  },
  peaks,
  ...summariseProfile({ ...program, dispatches }, peaks),
  cpu: {
    encodeMicroseconds: 1.5,
    submitMicroseconds: 90,
    stepMilliseconds: 3,
    buffersCreated: 0,
    bindGroupsCreated: 0,
    pipelinesCreated: 0,
    readBacks: 0,
    submits: 1,
  },
};
const blind: StepProfile = { ...profile, ...summariseProfile({ ...program, dispatches: null }, peaks) };

Deno.test("the text names what was run, the roofs, and every op or shape", () => {
  const text = profileText(profile, "op");
  assert.match(
    text,
    /mini, joint, 64 of 640 pairs in 8 chunks, patches of 16, micro-batches of 32, recomputed, f16/,
  );
  const reusing = { ...profile, options: { ...profile.options, recompute: false, reuseScoring: true } };
  assert.match(profileText(reusing, "op"), /micro-batches of 32, scoring used again, f16/);
  assert.match(text, /multiply-adds in registers, f32 +100 GFLOP\/s/);
  assert.match(text, /1\.50 µs a dispatch to encode, 90 µs to submit/);
  assert.match(text, /^matmul_subgroup\.forward +1 +20\.0 +/m);
  for (const { name } of profile.ops!) assert.ok(text.includes(name), name);
  assert.match(profileText(profile, "shape"), /matmul_subgroup\.forward \[64×64\]/);
  assert.ok(profileText(blind, "op").includes(noTimestamps));
});

Deno.test("the roofline holds a dot for every op, its area by its share, and the names of all that matter", () => {
  const svg = renderRoofline(profile);
  const radii = [...svg.matchAll(/<circle[^>]* r="([\d.]+)"/g)].map(([, r]) => Number(r));
  assert.equal(radii.length, profile.ops!.length);
  assert.ok(Math.abs(Math.max(...radii) - dotRadius(profile.ops![0].share)) < 1e-6);
  assert.ok(Math.abs(dotRadius(0.4) / dotRadius(0.1) - 2) < 1e-9);
  for (const { name, share } of profile.ops!) if (share > 0.02) assert.ok(svg.includes(name), name);
  assert.equal(renderRoofline(blind), "");
});

Deno.test("the page is one file, escapes what it is told, and stands without timestamps", () => {
  const page = renderProfilePage(profile);
  assert.ok(page.includes("a &lt;GPU&gt;") && !page.includes("<GPU>"));
  assert.ok(!/src=|href=|@import/.test(page), "nothing is fetched");
  assert.match(page, /<h2>By shape<\/h2>/);
  assert.ok(renderProfilePage(blind).includes(noTimestamps.split("(")[0]));
  assert.match(renderProfileSvg(profile), /^<svg[^>]*><style>/);
});

Deno.test("many dispatches of one op are one row", () => {
  const [row] = profileRows([dispatches[0], dispatches[0]], peaks, ({ label }) => label);
  assert.deepEqual([row.times, row.flops], [2, 1.6e9]);
});
