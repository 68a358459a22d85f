/**
 * Joint selection alone, from embeddings on the GPU: rates, and their share of the measured multiply-add peak.
 *
 *     deno bench -P=test bench/selection_bench.ts
 *
 * Selections of a few hundred milliseconds are submitted together, so that the wait at their end weighs little.
 */
import { Device } from "../src/gpu/device.ts";
import { measureFma } from "../src/gpu/peaks.ts";
import { selectionProgram } from "./selection_program.ts";

const TARGET_MS = 200;

const device = await Device.open();
const peak = await measureFma(device);

// [b, S, N]: the default experiment's, then a fifth of larger and larger super-batches. The largest take seconds on a
// software adapter, so they are for GPUs.
const selections = [[64, 640, 8], [205, 1024, 16], [1024, 5120, 16], [1638, 8192, 16]];
if (!device.traits.software) selections.push([3277, 16384, 16], [6554, 32768, 16]);

const rates: { name: string; flops: number; perSecond: number }[] = [];
for (const [batch, superBatch, chunks] of selections) {
  const program = await selectionProgram(device, superBatch, batch, chunks);
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
