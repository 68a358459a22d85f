/**
 * Whether a long training grows: a thousand joint steps of `mini`, memory sampled every fifty after a warm-up of 2,000:
 * so long the heaps of V8 and of the allocator take to reach the size that they keep.
 *
 *     deno run -P bench/soak.ts [steps]
 *
 * Prints the slope of the process's memory with its standard error, per 1,000 steps. Fails (exit code 1) when
 * - any GPU bytes were added after the warm-up, or
 * - the slope of the resident set exceeds three of its standard errors and {@link TOLERATED_MIB} as well: the heap
 *   breathes between two collections, and its samples are not independent, so the standard error alone is too small.
 */
import { Device } from "../src/gpu/device.ts";
import { preset } from "../src/models/config.ts";
import { DualEncoder } from "../src/models/model.ts";
import { randomSuperBatch } from "../src/train/random_batch.ts";
import { Trainer } from "../src/train/trainer.ts";

const STEPS = Number(Deno.args[0] ?? 1000), WARM_UP = 2000, INTERVAL = 50, LOG_INTERVAL = 10;
const BATCH = 64, SUPER_BATCH = 640;
/** Growth per 1,000 steps that counts as noise whatever the standard error says. */
const TOLERATED_MIB = 2;
if (!(Number.isInteger(STEPS) && STEPS >= 3 * INTERVAL)) {
  console.error(`Error: Cannot soak for ${Deno.args[0]} steps: give a whole number, ${3 * INTERVAL} or more`);
  Deno.exit(2);
}

using device = await Device.open();
const config = preset("mini"), width = config.embedding;
using model = DualEncoder.create(device, config, { seed: 1 });
using trainer = await Trainer.create(model, {
  steps: WARM_UP + STEPS,
  batch: BATCH,
  superBatch: SUPER_BATCH,
  sampler: "joint",
  chunks: 8,
  seed: 1,
  learningRate: 1e-3,
  reference: { logitScale: 10, logitBias: -5, width },
});
const batches = [1, 2, 3, 4].map((seed) => randomSuperBatch(config, SUPER_BATCH, width, seed));

interface Sample {
  readonly step: number;
  readonly rss: number;
  readonly heap: number;
  readonly gpu: number;
}

const samples: Sample[] = [];
const MIB = 2 ** 20, startedAt = performance.now();
console.log(`${device.adapter.description}: ${WARM_UP} + ${STEPS} steps, ${BATCH} of ${SUPER_BATCH} pairs\n`);
console.log("    step    RSS MiB   heap MiB   GPU MiB   seconds");
for (let step = 1; step <= WARM_UP + STEPS; step++) {
  trainer.step(batches[step % batches.length]);
  if (step % LOG_INTERVAL === 0) await trainer.readLog();
  if (step < WARM_UP || (step - WARM_UP) % INTERVAL !== 0) continue;
  const { rss, heapUsed } = Deno.memoryUsage();
  samples.push({ step, rss: rss / MIB, heap: heapUsed / MIB, gpu: device.counters.allocatedBytes / MIB });
  const { heap, gpu } = samples.at(-1)!;
  const columns = [rss / MIB, heap, gpu, (performance.now() - startedAt) / 1000];
  console.log(String(step).padStart(8) + columns.map((value) => value.toFixed(2).padStart(10)).join(" "));
}

/** Least squares of a quantity against the step: its growth per 1,000 steps, with the standard error. */
function growth(value: (sample: Sample) => number): { slope: number; error: number } {
  const n = samples.length,
    mean = (of: (sample: Sample) => number) => samples.reduce((sum, sample) => sum + of(sample), 0) / n;
  const x = mean(({ step }) => step), y = mean(value);
  const spread = samples.reduce((sum, { step }) => sum + (step - x) ** 2, 0);
  const slope = samples.reduce((sum, sample) => sum + (sample.step - x) * (value(sample) - y), 0) / spread;
  const residual = samples.reduce((sum, s) => sum + (value(s) - y - slope * (s.step - x)) ** 2, 0);
  return { slope: 1000 * slope, error: 1000 * Math.sqrt(residual / (n - 2) / spread) };
}

const rss = growth(({ rss }) => rss), heap = growth(({ heap }) => heap);
const gpuGrowth = samples.at(-1)!.gpu - samples[0].gpu;
const show = ({ slope, error }: { slope: number; error: number }) =>
  `${slope.toFixed(2)} ± ${error.toFixed(2)} MiB per 1,000 steps`;
console.log(`\nRSS ${show(rss)}; JavaScript heap ${show(heap)}; GPU ${gpuGrowth.toFixed(2)} MiB in all`);
const problems = [
  ...(gpuGrowth > 0 ? ["GPU memory grows"] : []),
  ...(rss.slope > Math.max(3 * rss.error, TOLERATED_MIB) ? ["the resident set grows"] : []),
];
console.log(problems.length === 0 ? "Nothing grows." : `Fails: ${problems.join(", and ")}.`);
if (problems.length > 0) Deno.exit(1);
