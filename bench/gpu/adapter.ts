/**
 * The adapter itself: what it offers, what it allocates, how its clock ticks.
 *
 * @module
 */

import { fmaFlops, measureFma, measurePeaks } from "../../src/gpu/peaks.ts";
import { fma } from "../../src/gpu/shaders.gen.ts";
import { gpuMilliseconds } from "../../src/gpu/timing.ts";
import { Graph } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import { attempt, data, header, noPeaks, row, type SectionContext, write } from "./section.ts";

/** Name, traits, features and limits, then the peaks. */
export async function adapter({ device }: SectionContext): Promise<void> {
  const { adapter, traits } = device;
  data("adapter", { ...adapter, traits });
  write(`${adapter.description}: ${adapter.features.join(", ")}\n`);
  header("", "");
  for (const [name, value] of Object.entries({ ...traits, ...adapter.limits })) {
    row(name, typeof value === "number" ? value.toLocaleString("en") : String(value));
  }
  await attempt("peaks", async () => {
    // Known even if the copies, which take large buffers, fail.
    data("peaks", { ...noPeaks, flopsPerSecond: await measureFma(device) });
    const peaks = await measurePeaks(device);
    data("peaks", peaks);
    row("**FMA in registers**", `${(peaks.flopsPerSecond / 1e9).toFixed(1)} GFLOP/s`);
    row(
      "**copy, buffer to buffer**",
      `${(peaks.bufferCopyBytesPerSecond / 1e9).toFixed(1)} GB/s read and written`,
    );
    row("**copy, kernel**", `${(peaks.kernelCopyBytesPerSecond / 1e9).toFixed(1)} GB/s read and written`);
    row("**empty dispatch**", `${peaks.dispatchMicroseconds.toFixed(2)} µs`);
  });
}

/** Buffers up to and beyond the 256 MiB at which some drivers refuse. */
export async function buffers({ device }: SectionContext): Promise<void> {
  header("buffer", "");
  let largest = 0, tried = 0;
  for (const mebibytes of [128, 256, 257, 512, 1024, 2047, 4095]) {
    const sizeBytes = mebibytes * 2 ** 20, name = `${mebibytes} MiB`;
    if (sizeBytes > device.maxBindingBytes) {
      row(name, "beyond the adapter's limit");
      continue;
    }
    tried = sizeBytes;
    await attempt(name, async () => {
      const buffer = await device.validated(name, () => device.createBuffer(name, sizeBytes));
      device.write(buffer, Uint32Array.of(7), sizeBytes - 4);
      const [word] = new Uint32Array(await device.read(buffer, sizeBytes - 4, 4));
      device.destroyBuffer(buffer);
      if (word !== 7) throw new Error(`its end holds ${word}, and 7 was written`);
      row(name, "allocated, written and read back");
      largest = sizeBytes;
    });
  }
  // Steps are planned within what worked.
  if (largest < tried) data("largestBuffer", largest);
}

/** Nanoseconds of a tick of the timestamps, from what two lengths of work take more on both clocks. */
export async function clock({ device, peaks }: SectionContext): Promise<void> {
  if (!device.has("timestamp-query")) return write("The adapter has no timestamps.");
  if (!(peaks.flopsPerSecond > 0)) return write("Without the peak there is no work of a known length.");
  const invocations = 2 ** 16;
  const querySet = device.gpu.createQuerySet({ type: "timestamp", count: 2 });
  const resolved = device.createBuffer("ticks", 16, GPUBufferUsage.QUERY_RESOLVE);
  const y = device.createBuffer("sums", invocations * 4);
  const measure = async (seconds: number) => {
    const rounds = Math.ceil(seconds * peaks.flopsPerSecond / fmaFlops(invocations, 1));
    const graph = new Graph(device);
    graph.dispatch(fma, "forward", {
      params: { rounds, a: 0.999, b: 1e-3 },
      y: graph.external("sums", [invocations], { buffer: y, offsetBytes: 0, sizeBytes: invocations * 4 }),
    }, { workgroups: [invocations / 64, 1, 1] });
    using program = await Program.compile(device, graph, "clock");
    const milliseconds = await gpuMilliseconds(device, (encoder) => {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
      });
      program.recording.encode(pass);
      pass.end();
      encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
    });
    const [from, to] = new BigUint64Array(await device.read(resolved, 0, 16));
    return { milliseconds, ticks: Number(to - from) };
  };
  await measure(0.1); // the driver compiles
  const short = await measure(0.1), long = await measure(0.5);
  const nanoseconds = (long.milliseconds - short.milliseconds) * 1e6 / (long.ticks - short.ticks);
  write(`A tick of the timestamps takes ${nanoseconds.toFixed(4)} ns.`);
  data("tickNanoseconds", nanoseconds);
}
