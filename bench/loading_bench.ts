/**
 * What the host does for a step while the GPU works: drawing the examples, copying them out of the data set, sorting
 * the token positions, and handing the bytes to the GPU. Rates in pictures a second.
 *
 *     deno bench -P=test bench/loading_bench.ts
 */
import { picturesInMemory } from "../src/data/pictures.ts";
import { gatherBatch, SuperBatchLoader } from "../src/data/loader.ts";
import { Device } from "../src/gpu/device.ts";
import { randomWord, Stream } from "../src/random/philox.ts";
import { indexTokens } from "../src/train/token_index.ts";

const device = await Device.open();
const rates: { name: string; pictures: number; best: number }[] = [];

function add(name: string, pictures: number, run: () => void): void {
  const rate = { name, pictures, best: Infinity };
  rates.push(rate);
  Deno.bench({ name, n: 20, warmup: 3 }, () => {
    const startedAt = performance.now();
    run();
    rate.best = Math.min(rate.best, performance.now() - startedAt);
  });
}

// The default experiment's super-batch, one eight times as large, and one of SigLIP's pictures and captions.
for (
  const [superBatch, side, length, vocabulary] of [[640, 32, 12, 2048], [5120, 32, 12, 2048], [
    320,
    256,
    64,
    32_000,
  ]]
) {
  const size = 4 * superBatch, label = `${superBatch} pictures of ${side}×${side}, ${length} tokens`;
  const data = {
    size,
    pictures: picturesInMemory(new Uint8Array(size * side * side * 3).fill(7), side * side * 3),
    tokens: Uint32Array.from(
      { length: size * length },
      (_, i) => randomWord(1, Stream.data, 0, i) % vocabulary,
    ),
  };
  const loader = new SuperBatchLoader(size, superBatch, 1);
  let step = 0, batch = gatherBatch(data, loader.indices(0));
  const buffer = device.createBuffer("pixels", batch.pixels.byteLength);
  add(`${label}: draw and copy`, superBatch, () => batch = gatherBatch(data, loader.indices(step++)));
  add(`${label}: sort token positions`, superBatch, () => indexTokens(batch.tokens, vocabulary));
  add(`${label}: hand to the GPU`, superBatch, () => {
    device.write(buffer, batch.pixels);
    device.submit();
  });
}

globalThis.addEventListener("unload", () => {
  console.log();
  for (const { name, pictures, best } of rates) {
    console.log(
      `${name.padEnd(64)} ${best.toFixed(2).padStart(8)} ms ${
        (pictures / best).toFixed(0).padStart(6)
      } k pictures/s`,
    );
  }
});
