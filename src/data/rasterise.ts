/**
 * Pictures of icon sets as pixels, drawn by workers and kept.
 *
 * @module
 */

import { readSafetensors, writeSafetensors } from "../storage/safetensors.ts";
import type { KeptFiles } from "./cache.ts";
import type { IconSet } from "./packages.ts";
import type { RasteriseReply, RasteriseRequest } from "./rasterise_worker.ts";

/** Pictures of one icon set to draw. */
export interface DrawRequest {
  /** Name of the set. */
  readonly set: string;
  /** Version of the set: pictures of another version are not taken from the cache. */
  readonly version: string;
  /** Names of the icons. */
  readonly names: readonly string[];
}

/** Drawn pictures by `set/name`, [I, I, 3] RGB bytes on white, and how many could not be drawn. */
export interface DrawnPictures {
  readonly pixels: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly failed: number;
}

const JOBS_PER_MESSAGE = 64;

/**
 * Draws icons, or takes them from the cache.
 *
 * The cache holds one file a set and size; it is read whole, what is missing is drawn, and the file is written again.
 * A file that is damaged is drawn anew.
 *
 * @param load gives an icon set; called only for sets of which something is missing
 * @param size side of the pictures in pixels
 */
export async function drawIcons(
  requests: readonly DrawRequest[],
  load: (set: string) => Promise<IconSet>,
  size: number,
  files: KeptFiles,
  onProgress: (done: number, total: number) => void,
): Promise<DrawnPictures> {
  const pixels = new Map<string, Uint8Array<ArrayBuffer>>();
  const total = requests.reduce((sum, { names }) => sum + names.length, 0);
  let failed = 0, done = 0;
  using pool = new WorkerPool(Math.min(navigator.hardwareConcurrency || 2, 8));
  for (const { set, version, names } of requests) {
    const file = `pictures-${set}-${version}-${size}.safetensors`;
    const kept = readKept(await files.read(file), size);
    const missing = names.filter((name) => !kept.has(name));
    if (missing.length > 0) {
      const icons = await load(set);
      const jobs = missing.map((name, id) => ({ id, svg: svgOf(icons, name) }));
      const messages = Array.from(
        { length: Math.ceil(jobs.length / JOBS_PER_MESSAGE) },
        (_, i) => jobs.slice(i * JOBS_PER_MESSAGE, (i + 1) * JOBS_PER_MESSAGE),
      );
      const before = done;
      let drawn = 0;
      await Promise.all(messages.map(async (batch) => {
        const reply = await pool.run({ size, jobs: batch });
        const length = size * size * 3, broken = new Set(reply.failed);
        batch.forEach(({ id }, at) => {
          kept.set(missing[id], broken.has(at) ? null : reply.pixels.slice(at * length, (at + 1) * length));
        });
        onProgress(before + (drawn += batch.length), total);
      }));
      await files.write(file, writeKept(kept, size));
    }
    for (const name of names) {
      const picture = kept.get(name);
      if (picture) pixels.set(`${set}/${name}`, picture);
      else failed++;
    }
    onProgress(done += names.length, total);
  }
  return { pixels, failed };
}

/** A stand-alone SVG of an icon; a set's one-coloured icons are drawn in black, non-square ones centred. */
export function svgOf(set: IconSet, name: string): string {
  const icon = set.icons[name];
  const width = icon.width ?? set.width ?? 16, height = icon.height ?? set.height ?? 16;
  const side = Math.max(width, height);
  const left = (icon.left ?? 0) - (side - width) / 2, top = (icon.top ?? 0) - (side - height) / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" color="black" ` +
    `width="${side}" height="${side}" viewBox="${left} ${top} ${side} ${side}">${icon.body}</svg>`;
}

type Kept = Map<string, Uint8Array<ArrayBuffer> | null>;

/** Names in metadata, pictures in one tensor; a name without a picture could not be drawn. */
function writeKept(kept: Kept, size: number): Uint8Array {
  const names = [...kept.keys()].sort();
  const drawn = names.filter((name) => kept.get(name));
  const length = size * size * 3;
  const data = new Uint8Array(drawn.length * length);
  drawn.forEach((name, at) => data.set(kept.get(name)!, at * length));
  return writeSafetensors(
    new Map([["pixels", { dtype: "U8", shape: [drawn.length, size, size, 3], data }]]),
    {
      drawn: JSON.stringify(drawn),
      failed: JSON.stringify(names.filter((name) => !kept.get(name))),
    },
  );
}

function readKept(bytes: Uint8Array | null, size: number): Kept {
  const kept: Kept = new Map();
  if (!bytes) return kept;
  try {
    const { tensors, metadata } = readSafetensors(bytes);
    const data = tensors.get("pixels")!.data as Uint8Array<ArrayBuffer>, length = size * size * 3;
    (JSON.parse(metadata.drawn) as string[]).forEach((name, at) => {
      kept.set(name, data.subarray(at * length, (at + 1) * length));
    });
    for (const name of JSON.parse(metadata.failed) as string[]) kept.set(name, null);
  } catch {
    kept.clear(); // damaged: drawn anew
  }
  return kept;
}

/** A few workers, each busy with one message at a time. */
class WorkerPool implements Disposable {
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];
  readonly #waiting: ((worker: Worker) => void)[] = [];

  constructor(private readonly limit: number) {}

  async run(request: RasteriseRequest): Promise<RasteriseReply> {
    const worker = await this.#take();
    try {
      return await new Promise((resolve, reject) => {
        worker.onmessage = ({ data }: MessageEvent<RasteriseReply>) => resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(`Drawing pictures failed: ${event.message}`));
        };
        worker.postMessage(request);
      });
    } finally {
      const next = this.#waiting.shift();
      if (next) next(worker);
      else this.#idle.push(worker);
    }
  }

  async #take(): Promise<Worker> {
    const idle = this.#idle.pop();
    if (idle) return idle;
    if (this.#all.length < this.limit) {
      const worker = new Worker(new URL("./rasterise_worker.ts", import.meta.url), { type: "module" });
      this.#all.push(worker);
      return worker;
    }
    return await new Promise((resolve) => this.#waiting.push(resolve));
  }

  [Symbol.dispose](): void {
    for (const worker of this.#all) worker.terminate();
  }
}
