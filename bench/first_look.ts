/**
 * What to record once on a new GPU: adapter, limits, large buffers, the timestamps' tick, the f32 peak, copy bandwidth,
 * matrix products, and where a training step spends its time. Prints Markdown for docs/benchmarks.md.
 *
 *     deno run -P bench/first_look.ts
 */
import { Device, DualEncoder, type DualEncoderConfig, preset, Trainer } from "../mod.ts";
import type { Recording } from "../src/gpu/recorder.ts";
import { fma } from "../src/gpu/shaders.gen.ts";
import { Graph } from "../src/graph/graph.ts";
import type { Tensor } from "../src/graph/tensor.ts";
import { Program } from "../src/graph/program.ts";
import { copyInto } from "../src/ops/gather.ts";
import { matmul } from "../src/ops/matmul.ts";

using device = await Device.open();
const { description, limits } = device.adapter;
console.log(
  `## ${description}, ${new Date().toISOString().slice(0, 10)}\n\`deno run -P bench/first_look.ts\`\n`,
);
console.log(`Features: ${device.adapter.features.join(", ")}\n`);
console.log("| limit | value |\n|---|---|");
for (const [name, value] of Object.entries(limits)) {
  console.log(`| ${name} | ${value.toLocaleString("en")} |`);
}

/** Best milliseconds of one run, of a few batches of `runs` in one submit. */
async function time(recording: Recording, runs: number): Promise<number> {
  device.submit(recording);
  await device.finish();
  let best = Infinity;
  for (let attempt = 0; attempt < 5; attempt++) {
    const startedAt = performance.now();
    device.submit(...Array<Recording>(runs).fill(recording));
    await device.finish();
    best = Math.min(best, (performance.now() - startedAt) / runs);
  }
  return best;
}

console.log("\n| buffer | |\n|---|---|");
for (const mebibytes of [128, 256, 257, 512, 1024, 2048, 4096]) {
  let outcome = "beyond the adapter's limit";
  if (mebibytes * 2 ** 20 <= device.maxBindingBytes) {
    try {
      const buffer = await device.validated(
        "a large buffer",
        () => device.createBuffer("large", mebibytes * 2 ** 20),
      );
      device.write(buffer, Uint32Array.of(7), mebibytes * 2 ** 20 - 4);
      const [word] = new Uint32Array(await device.read(buffer, mebibytes * 2 ** 20 - 4, 4));
      outcome = word === 7 ? "allocated, written and read back" : "allocated, but its end holds other data";
      device.destroyBuffer(buffer);
    } catch (error) {
      outcome = (error as Error).message;
    }
  }
  console.log(`| ${mebibytes} MiB | ${outcome} |`);
}

console.log("\n| work | rate | share of the measured peak |\n|---|---|---|");
/** A program over zeroed buffers of the given numbers of words; `build` records it. */
async function timed(
  words: readonly number[],
  runs: number,
  build: (graph: Graph, tensors: Tensor[]) => void,
): Promise<number> {
  const buffers = words.map((count) => device.createBuffer("measured", count * 4));
  const graph = new Graph(device);
  build(
    graph,
    words.map((count, i) =>
      graph.external(`x${i}`, [count], { buffer: buffers[i], offsetBytes: 0, sizeBytes: count * 4 })
    ),
  );
  try {
    using program = await Program.compile(device, graph, "measured");
    return await time(program.recording, runs);
  } finally {
    for (const buffer of buffers) device.destroyBuffer(buffer);
  }
}

/** FLOPs of one run of the register-only loop: 16 chains of 4 multiply-adds a round. */
const fmaFlops = (invocations: number, rounds: number) => invocations * rounds * 16 * 4 * 2;

async function fmaRate(invocations: number, rounds: number): Promise<number> {
  const milliseconds = await timed(
    [invocations],
    1,
    (graph, [y]) =>
      graph.dispatch(fma, "forward", { params: { rounds, a: 0.999, b: 1e-3 }, y }, {
        workgroups: [invocations / 64, 1, 1],
      }),
  );
  return fmaFlops(invocations, rounds) / milliseconds / 1e6;
}

// A first guess sizes the real measurement to about a second, far above the 10 ms that waiting costs.
const guess = await fmaRate(2 ** 16, 64);
const rounds = Math.max(64, Math.round(guess * 1e9 / fmaFlops(2 ** 20, 1)));
const peak = await fmaRate(2 ** 20, rounds);
console.log(`| FMA in registers | ${peak.toFixed(1)} GFLOP/s | 100 % |`);

const copyWords = Math.min(64 * 2 ** 20, device.maxBindingBytes / 4);
const copyMs = await timed([copyWords, copyWords], 8, (graph, [x, y]) => copyInto(graph, x, y));
console.log(
  `| copy kernel, ${copyWords * 4 / 2 ** 20} MiB | ${
    (copyWords * 8 / copyMs / 1e6).toFixed(1)
  } GB/s read and written | |`,
);

/** GFLOP/s of [m, k] × [k, n]. */
async function productRate(
  m: number,
  n: number,
  k: number,
  transposeA: boolean,
  transposeB: boolean,
): Promise<number> {
  const runs = Math.max(1, Math.min(500, Math.ceil(peak * 1e8 / (2 * m * n * k))));
  const milliseconds = await timed([m * k, k * n], runs, (graph, [a, b]) => {
    const left = transposeA ? a.reshape(k, m) : a.reshape(m, k);
    matmul(graph, left, transposeB ? b.reshape(n, k) : b.reshape(k, n), { transposeA, transposeB });
  });
  return 2 * m * n * k / milliseconds / 1e6;
}

// The largest products only where they take a sensible time.
const products: [string, number, number, number, boolean, boolean][] = [
  ["512³ NN", 512, 512, 512, false, false],
  ["4096³ NN", 4096, 4096, 4096, false, false],
  ["ViT-B/16 mlp.in, 64 pictures", 64 * 196, 3072, 768, false, false],
  ["ViT-B/16 mlp.in, gradient of the input", 64 * 196, 768, 3072, false, true],
  ["ViT-B/16 mlp.in, gradient of the weight", 768, 3072, 64 * 196, true, false],
];
for (const [name, m, n, k, transposeA, transposeB] of products) {
  const largest = 4 * Math.max(m * n, m * k, k * n);
  if (largest > device.maxBindingBytes || 2 * m * n * k > peak * 1e9) {
    console.log(`| ${name} | left out: too large or too long for this adapter | |`);
    continue;
  }
  const rate = await productRate(m, n, k, transposeA, transposeB);
  console.log(`| ${name} | ${rate.toFixed(1)} GFLOP/s | ${(100 * rate / peak).toFixed(1)} % |`);
}

/** One model's training step: pictures a second, FLOPs, and the dispatches that take longest. */
async function stepTable(name: string, config: DualEncoderConfig, batch: number): Promise<void> {
  using model = DualEncoder.create(device, config, { seed: 1 });
  using trainer = await Trainer.create(model, { steps: 40, batch, seed: 1, learningRate: 1e-4 });
  const { imageSize } = config.vision, { tokens, vocabulary } = config.text;
  const superBatch = {
    pixels: new Uint8Array(batch * imageSize * imageSize * 3).map((_, i) => i * 7919 % 256),
    tokens: new Uint32Array(batch * tokens).map((_, i) => i * 31 % vocabulary),
  };
  const run = async (steps: number) => {
    const startedAt = performance.now();
    for (let step = 0; step < steps; step++) trainer.step(superBatch);
    await trainer.readLog();
    return (performance.now() - startedAt) / steps;
  };
  await run(2);
  const milliseconds = await run(10), rate = trainer.flops.train / milliseconds / 1e6;
  console.log(
    `\n${name}, b = ${batch}: ${milliseconds.toFixed(1)} ms a step, ${
      (batch / milliseconds * 1000).toFixed(0)
    } pairs/s, ` +
      `${rate.toFixed(1)} GFLOP/s (${
        (100 * rate / peak).toFixed(1)
      } % of peak), ${trainer.plan.dispatches} dispatches\n`,
  );
  if (!device.has("timestamp-query")) return;
  const { dispatches } = await trainer.profile();
  const byLabel = Map.groupBy(dispatches!, ({ label }) => label);
  const sums = [...byLabel].map(([label, times]) => ({
    label,
    count: times.length,
    sum: times.reduce((total, { milliseconds }) => total + milliseconds, 0),
  })).toSorted((a, b) => b.sum - a.sum);
  const whole = sums.reduce((total, { sum }) => total + sum, 0);
  console.log("| dispatch | times | share |\n|---|---|---|");
  for (const { label, count, sum } of sums.slice(0, 10)) {
    console.log(`| ${label} | ${count} | ${(100 * sum / whole).toFixed(1)} % |`);
  }
}

await stepTable("mini", preset("mini"), 64);
// A software adapter would take minutes for a step of a real model.
if (peak > 1000) {
  for (const [name, batch] of [["S/16", 64], ["B/16", 32]] as const) {
    await stepTable(name, preset(name), batch);
  }
}
