/**
 * Joint selection alone, from embeddings on the GPU: rates, and their share of the measured multiply-add peak.
 *
 *     deno bench -P=test bench/selection_bench.ts
 *
 * Selections of a few hundred milliseconds are submitted together, so that the wait at their end weighs little.
 */
import { Device } from "../src/gpu/device.ts";
import { Graph } from "../src/graph/graph.ts";
import { Program } from "../src/graph/program.ts";
import { selectBatch } from "../src/selection/samplers.ts";
import { fmaPeak } from "./peak.ts";

const WIDTH = 64, TARGET_MS = 200;

const device = await Device.open();
const peak = await fmaPeak(device);

/** A program that selects `batch` of `superBatch` in `chunks`, from random unit embeddings. */
async function compile(superBatch: number, batch: number, chunks: number): Promise<Program> {
  const graph = new Graph(device);
  let stream = 0;
  const unit = () => {
    // Cheap numbers: up to 32,768 rows for four matrices.
    const rows = Float32Array.from({ length: superBatch * WIDTH }, (_, i) => Math.sin(i * (1.7 + stream)));
    for (let row = 0; row < superBatch; row++) {
      const part = rows.subarray(row * WIDTH, (row + 1) * WIDTH), length = Math.hypot(...part);
      part.forEach((value, column) => part[column] = value / length);
    }
    return graph.constant(`embeddings ${stream++}`, [superBatch, WIDTH], rows);
  };
  const model = () => ({
    image: unit(),
    text: unit(),
    logitScale: graph.constant("scale", [1], Float32Array.of(Math.log(10))),
    logitBias: graph.constant("bias", [1], Float32Array.of(-5)),
  });
  const step = graph.constant("step", [4], new Uint32Array(4));
  selectBatch(graph, "joint", { learner: model(), reference: model() }, {
    superBatch,
    batch,
    chunks,
    iterations: 0,
    gain: 100,
    seed: 1,
    loss: "sigmoid",
    score: "learnability",
    step,
  });
  return await Program.compile(device, graph, "selection");
}

// [b, S, N]: the default experiment's, then a fifth of larger and larger super-batches. The largest take seconds on a
// software adapter, so they are for GPUs.
const selections = [[64, 640, 8], [205, 1024, 16], [1024, 5120, 16], [1638, 8192, 16]];
if (!device.traits.software) selections.push([3277, 16384, 16], [6554, 32768, 16]);

const rates: { name: string; flops: number; perSecond: number }[] = [];
for (const [batch, superBatch, chunks] of selections) {
  const program = await compile(superBatch, batch, chunks);
  /** Seconds of `repeats` selections in one submit. */
  const seconds = async (repeats: number) => {
    const start = performance.now();
    device.submit(...Array.from({ length: repeats }, () => program.recording));
    await device.finish();
    return (performance.now() - start) / 1000;
  };
  await seconds(1); // the driver compiles at the first run
  const guess = Math.max(1, Math.ceil(TARGET_MS / 1000 / await seconds(1)));
  const repeats = Math.max(1, Math.round(guess * TARGET_MS / 1000 / await seconds(guess)));
  const name = `${batch} of ${superBatch} in ${chunks} chunks`;
  const rate = { name, flops: program.flops(), perSecond: 0 };
  rates.push(rate);
  Deno.bench({ name: `${name}, ${repeats} times`, n: 3, warmup: 0 }, async () => {
    rate.perSecond = Math.max(rate.perSecond, repeats / await seconds(repeats));
  });
}

globalThis.addEventListener("unload", () => {
  console.log(
    `\n${device.adapter.description}: shares of ${(peak / 1e9).toFixed(1)} GFLOP/s, the multiply-add peak`,
  );
  for (const { name, flops, perSecond } of rates) {
    const rate = perSecond * flops;
    console.log(
      `${name.padEnd(30)} ${(1000 / perSecond).toFixed(2).padStart(8)} ms ${
        (rate / 1e9).toFixed(2).padStart(8)
      } GFLOP/s ${(100 * rate / peak).toFixed(1).padStart(6)} %`,
    );
  }
});
