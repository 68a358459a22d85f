/** Turns SVG texts into RGB pixels; one of several workers. */
import { initWasm, Resvg } from "@resvg/resvg-wasm";

/** SVG texts to draw, by number. */
export interface RasteriseRequest {
  readonly size: number;
  readonly jobs: readonly { readonly id: number; readonly svg: string }[];
}

/** Pixels [jobs, size, size, 3] in the order of the request; `failed` holds the places that could not be drawn. */
export interface RasteriseReply {
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly failed: readonly number[];
}

/** The part of a worker's global scope that is used here. */
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<RasteriseRequest>) => void) | null;
  postMessage(message: RasteriseReply, transfer: Transferable[]): void;
};

let ready: Promise<void> | undefined;

async function start(): Promise<void> {
  // With its version, so that it is found where this package's deno.json is not in force.
  const wasm = new URL(import.meta.resolve("npm:@resvg/resvg-wasm@2.6.2/index_bg.wasm"));
  await initWasm(await Deno.readFile(wasm));
}

scope.onmessage = async ({ data: { size, jobs } }) => {
  await (ready ??= start());
  const length = size * size * 3;
  const pixels = new Uint8Array(jobs.length * length);
  const failed: number[] = [];
  jobs.forEach(({ svg }, at) => {
    try {
      draw(svg, size, pixels.subarray(at * length, (at + 1) * length));
    } catch {
      failed.push(at);
    }
  });
  scope.postMessage({ pixels, failed }, [pixels.buffer]);
};

function draw(svg: string, size: number, target: Uint8Array): void {
  const image = new Resvg(svg, {
    background: "white",
    fitTo: { mode: "width", value: size },
    font: { loadSystemFonts: false },
  }).render();
  const { width, height, pixels } = image;
  if (width !== size || height !== size) throw new RangeError(`drawn at ${width}×${height}`);
  for (let at = 0; at < size * size; at++) target.set(pixels.subarray(at * 4, at * 4 + 3), at * 3);
  image.free();
}
