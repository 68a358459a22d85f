/**
 * Resizing pictures on the GPU, to the bit as on the CPU.
 *
 * @module
 */

import type { RgbImage } from "../data/images/image.ts";
import type { Preprocessing } from "../data/images/preprocessing.ts";
import { type ResampleWeights, resampleWeights } from "../data/images/resample_weights.ts";
import { fittedSize } from "../data/images/resize.ts";
import type { BufferRange, Device } from "../gpu/device.ts";
import { type Command, linearGrid, Recording } from "../gpu/recorder.ts";
import { resize as shader } from "../gpu/shaders.gen.ts";

const WORKGROUP = 64;

/**
 * Pictures of any size as a model looks at them; equal to `resizeImage` of each.
 *
 * @returns [n, I, I, 3] bytes
 * @throws RangeError when I is odd, so that pictures would not begin at words, or one is too large for the adapter's buffers
 */
export async function resizePictures(
  device: Device,
  pictures: readonly RgbImage[],
  preprocessing: Pick<Preprocessing, "imageSize" | "filter" | "fit">,
): Promise<Uint8Array> {
  const { imageSize: side } = preprocessing, length = side * side * 3;
  if (side % 2 !== 0) {
    throw new RangeError(`Pictures of ${side}×${side} pixels do not begin at words: choose an even side`);
  }
  const resized = new Uint8Array(pictures.length * length),
    most = Math.floor(device.maxBindingBytes / length);
  for (let from = 0; from < pictures.length; from += most) {
    const part = pictures.slice(from, from + most);
    const output = device.createBuffer("resized pictures", part.length * length);
    try {
      part.forEach((picture, at) => resizeOne(device, picture, preprocessing, output, at * length / 4));
      resized.set(new Uint8Array(await device.read(output, 0, part.length * length)), from * length);
    } finally {
      device.destroyBuffer(output);
    }
  }
  return resized;
}

/** Two dispatches; what they read is freed as soon as they are on their way. */
function resizeOne(
  device: Device,
  { width, height, data }: RgbImage,
  { imageSize: side, filter, fit }: Pick<Preprocessing, "imageSize" | "filter" | "fit">,
  output: GPUBuffer,
  to: number,
): void {
  const fitted = fittedSize({ width, height }, side, fit), made: GPUBuffer[] = [];
  const largest = Math.max(width * height * 3, height * fitted.width * 4);
  if (largest > device.maxBindingBytes) {
    throw new RangeError(
      `A picture of ${width}×${height} pixels takes ${largest} bytes, and the adapter binds ${device.maxBindingBytes}: ` +
        `resize it on the CPU`,
    );
  }
  const room = (label: string, sizeBytes: number): BufferRange => {
    const buffer = device.createBuffer(label, sizeBytes);
    made.push(buffer);
    return { buffer, offsetBytes: 0, sizeBytes: buffer.size };
  };
  const filled = (label: string, content: Uint8Array | Int32Array) => {
    const range = room(label, content.byteLength);
    device.write(range.buffer, content);
    return range;
  };
  try {
    const columns = resampleWeights(width, fitted.width, filter);
    const lines = resampleWeights(height, fitted.height, filter);
    const rows = room("rows of a picture", height * fitted.width * 4);
    const params = { height: fitted.height, left: 0, top: 0, to };
    const command = (
      entry: "horizontal" | "vertical",
      size: number,
      ranges: Command["ranges"],
      values: Record<string, number>,
    ): Command => ({
      kernel: device.kernel(shader, entry, { WORKGROUP }),
      workgroups: linearGrid(size, WORKGROUP),
      ranges,
      uniform: {
        name: "params",
        binding: shader.entryPoints[entry].bindings.params,
        values: { ...params, size, ...values },
      },
    });
    using recording = new Recording(device, "resize", [
      command(
        "horizontal",
        height * fitted.width,
        { pixels: filled("a picture", data), table: filled("columns", tableOf(columns)), rows },
        { width, out: fitted.width, taps: columns.taps },
      ),
      command("vertical", side * side * 3 / 4, {
        resized: rows,
        table: filled("lines", tableOf(lines)),
        y: { buffer: output, offsetBytes: 0, sizeBytes: output.size },
      }, {
        width: fitted.width,
        out: side,
        taps: lines.taps,
        left: Math.trunc((fitted.width - side) / 2),
        top: Math.trunc((fitted.height - side) / 2),
      }),
    ]);
    device.submit(recording);
  } finally {
    for (const buffer of made) device.destroyBuffer(buffer);
  }
}

/** Weights as the shader reads them: a line for each output pixel. */
function tableOf({ taps, first, count, weights }: ResampleWeights): Int32Array {
  const table = new Int32Array(first.length * (taps + 2));
  first.forEach((from, line) => {
    const at = line * (taps + 2);
    table[at] = from;
    table[at + 1] = count[line];
    table.set(weights.subarray(line * taps, (line + 1) * taps), at + 2);
  });
  return table;
}
