/**
 * What an adapter can do at all, measured on the spot: the rates that kernels are held against.
 *
 * @module
 */

import type { Device } from "./device.ts";
import { type Command, linearGrid, Recording } from "./recorder.ts";
import { copy, fma } from "./shaders.gen.ts";
import { gpuMilliseconds, steadyTime } from "./timing.ts";

/** The roofs over all kernels of an adapter. */
export interface Peaks {
  /** FLOP/s of f32 multiply-adds in registers alone; a multiply-add counts 2. */
  readonly flopsPerSecond: number;
  /** Bytes read and written a second by `copyBufferToBuffer`. */
  readonly bufferCopyBytesPerSecond: number;
  /** Bytes read and written a second by a kernel that copies. */
  readonly kernelCopyBytesPerSecond: number;
  /** The better of the two copies. */
  readonly copyBytesPerSecond: number;
  /** Microseconds that a dispatch takes whose kernel does next to nothing. */
  readonly dispatchMicroseconds: number;
}

/** Enough invocations to fill the largest GPU several times over. */
const INVOCATIONS = 2 ** 18;
/** Larger than caches, and no larger than what every driver allocates. */
const COPY_BYTES = 256 * 2 ** 20;

/** Measures all roofs; each takes about a second, whatever the adapter. */
export async function measurePeaks(device: Device): Promise<Peaks> {
  const flopsPerSecond = await measureFma(device);
  const { buffer, kernel } = await measureCopy(device);
  return {
    flopsPerSecond,
    bufferCopyBytesPerSecond: buffer,
    kernelCopyBytesPerSecond: kernel,
    copyBytesPerSecond: Math.max(buffer, kernel),
    dispatchMicroseconds: await measureDispatch(device),
  };
}

/** FLOPs of one run of `shaders/bench/fma.wgsl`: 16 chains of 4 multiply-adds a round. */
export function fmaFlops(invocations: number, rounds: number): number {
  return invocations * rounds * 16 * 4 * 2;
}

/** FLOP/s of multiply-adds in registers alone: the rate that no f32 kernel of this adapter can exceed. */
export async function measureFma(device: Device): Promise<number> {
  const y = device.createBuffer("sums", INVOCATIONS * 4);
  try {
    // Eight rounds are some milliseconds on a CPU. The kernel is made longer, not repeated, so that launches weigh nothing.
    const rounds = 8;
    const { milliseconds } = await steadyTime(async (units) => {
      using recording = new Recording(device, "fma", [
        fmaCommand(device, y, INVOCATIONS / 64, rounds * units),
      ]);
      return await run(device, recording, 1);
    });
    return fmaFlops(INVOCATIONS, rounds) / milliseconds * 1000;
  } finally {
    device.destroyBuffer(y);
  }
}

/** Bytes read and written a second by `copyBufferToBuffer` and by the copy kernel. */
export async function measureCopy(device: Device): Promise<{ buffer: number; kernel: number }> {
  const size = Math.floor(Math.min(COPY_BYTES, device.maxBindingBytes) / 16), sizeBytes = size * 16;
  const made: GPUBuffer[] = [];
  try {
    const [source, target] = await device.validated("the buffers of a copy", () => {
      for (const label of ["source", "target"]) made.push(device.createBuffer(label, sizeBytes));
      return made;
    });
    const buffer = await steadyTime((units) =>
      gpuMilliseconds(device, (encoder) => {
        for (let unit = 0; unit < units; unit++) encoder.copyBufferToBuffer(source, 0, target, 0, sizeBytes);
      })
    );
    const range = (buffer: GPUBuffer) => ({ buffer, offsetBytes: 0, sizeBytes });
    using recording = new Recording(device, "copy", [{
      kernel: device.kernel(copy, "forward", {}),
      workgroups: linearGrid(size, 64),
      ranges: { x: range(source), y: range(target) },
      uniform: { name: "params", binding: copy.entryPoints.forward.bindings.params, values: { size } },
    }]);
    const kernel = await steadyTime((units) => run(device, recording, units));
    const rate = ({ milliseconds }: { milliseconds: number }) => 2 * sizeBytes / milliseconds * 1000;
    return { buffer: rate(buffer), kernel: rate(kernel) };
  } finally {
    for (const buffer of made) device.destroyBuffer(buffer);
  }
}

/** Microseconds of a dispatch of one workgroup that writes 64 numbers, in a row of dispatches that wait for each other. */
async function measureDispatch(device: Device): Promise<number> {
  const y = device.createBuffer("sums", 64 * 4), count = 256;
  try {
    using recording = new Recording(
      device,
      "dispatches",
      Array<Command>(count).fill(fmaCommand(device, y, 1, 1)),
    );
    const { milliseconds } = await steadyTime((units) => run(device, recording, units), { most: 1000 });
    return milliseconds * 1000 / count;
  } finally {
    device.destroyBuffer(y);
  }
}

function fmaCommand(device: Device, y: GPUBuffer, workgroups: number, rounds: number): Command {
  return {
    kernel: device.kernel(fma, "forward", {}),
    workgroups: [workgroups, 1, 1],
    ranges: { y: { buffer: y, offsetBytes: 0, sizeBytes: y.size } },
    uniform: {
      name: "params",
      binding: fma.entryPoints.forward.bindings.params,
      values: { rounds, a: 0.999, b: 1e-3 },
    },
  };
}

/** Milliseconds of a recording run so many times in one submit. */
function run(device: Device, recording: Recording, times: number): Promise<number> {
  return gpuMilliseconds(device, (encoder) => {
    const pass = encoder.beginComputePass();
    for (let time = 0; time < times; time++) recording.encode(pass);
    pass.end();
  });
}
