/**
 * Workers that decode pictures and bring them to a model's size.
 *
 * @module
 */

import type { DecodeReply, DecodeRequest } from "./decode_worker.ts";
import type { Preprocessing } from "./preprocessing.ts";

/** What came of a picture: its pixels [I, I, 3] with its size as stored, or the reason why there are none. */
export type Decoded = DecodeReply;

/** How a {@link DecodePool} works. */
export interface DecodePoolOptions {
  /** Workers; as many as the machine has cores when left out. */
  readonly workers?: number;
  /** A larger picture is refused before it is decoded; see `MOST_PIXELS`. */
  readonly maxPixels?: number;
  /** A worker that takes longer for a picture is ended, and the picture refused; 20,000 ms when left out. */
  readonly limitMs?: number;
}

const LIMIT_MS = 20_000;
const ENDED = "decoding ended before it";
/** Pictures that lie with a worker: the one in work, and one that it goes on with by itself. */
const DEPTH = 2;
/** Pictures a worker that are taken from the source ahead of the one that is handed out. */
const AHEAD = 4;

/** A picture that is waited for. */
interface Job {
  readonly image: Uint8Array;
  readonly done: (decoded: Decoded) => void;
}

/** A worker and what lies with it, the one in work first. */
interface Lane {
  readonly worker: Worker;
  readonly jobs: Job[];
  timer?: ReturnType<typeof setTimeout>;
}

/** Several workers, each busy with one picture at a time. */
export class DecodePool implements Disposable {
  readonly #lanes = new Set<Lane>();
  readonly #waiting: Job[] = [];
  readonly #workers: number;
  #ended = false;

  /** A pool that starts its workers as they are needed. */
  constructor(
    private readonly preprocessing: Pick<Preprocessing, "imageSize" | "filter" | "fit">,
    private readonly options: DecodePoolOptions = {},
  ) {
    this.#workers = Math.max(1, options.workers ?? navigator.hardwareConcurrency);
  }

  /**
   * Decodes one picture. A worker that dies of it, or never answers, is replaced, and the picture refused; so is one that is
   * not decoded when the pool ends.
   */
  decode(image: Uint8Array): Promise<Decoded> {
    if (this.#ended) return Promise.resolve({ reason: ENDED });
    const { promise, resolve } = Promise.withResolvers<Decoded>();
    this.#waiting.push({ image, done: resolve });
    this.#feed();
    return promise;
  }

  /** Decodes pictures as they come, several at a time; the results come in the same order. */
  async *decodeAll<T extends { readonly image: Uint8Array }>(
    pictures: AsyncIterable<T> | Iterable<T>,
  ): AsyncIterable<readonly [T, Decoded]> {
    const ahead: Promise<readonly [T, Decoded]>[] = [];
    for await (const picture of pictures) {
      ahead.push(this.decode(picture.image).then((decoded) => [picture, decoded] as const));
      if (ahead.length >= this.#workers * AHEAD) yield await ahead.shift()!;
    }
    for (const result of ahead) yield await result;
  }

  /** Ends the workers; what is still waited for is refused. */
  [Symbol.dispose](): void {
    this.#ended = true;
    const jobs = [...this.#lanes].flatMap((lane) => this.#stop(lane));
    for (const { done } of [...jobs, ...this.#waiting.splice(0)]) done({ reason: ENDED });
  }

  /** Hands out what waits: a worker without work first, then a new one, then one that has the least. */
  #feed(): void {
    while (this.#waiting.length > 0) {
      let lane = [...this.#lanes].toSorted((a, b) => a.jobs.length - b.jobs.length).at(0);
      if (!lane || lane.jobs.length > 0 && this.#lanes.size < this.#workers) lane = this.#start();
      if (lane.jobs.length >= DEPTH) return;
      this.#give(lane, this.#waiting.shift()!);
    }
  }

  #give(lane: Lane, job: Job): void {
    const { imageSize, filter, fit } = this.preprocessing, { maxPixels } = this.options;
    // Its own bytes, handed over: a clone of a view takes all of the buffer behind it, which may be a whole shard.
    const image = job.image.slice() as Uint8Array<ArrayBuffer>;
    const request: DecodeRequest = { image, preprocessing: { imageSize, filter, fit }, maxPixels };
    lane.jobs.push(job);
    if (lane.jobs.length === 1) this.#watch(lane);
    lane.worker.postMessage(request, [image.buffer]);
  }

  /** Waits for the picture in work. */
  #watch(lane: Lane): void {
    const { limitMs = LIMIT_MS } = this.options;
    clearTimeout(lane.timer);
    if (lane.jobs.length === 0) return;
    lane.timer = setTimeout(() => this.#fail(lane, `decoding it takes more than ${limitMs} ms`), limitMs);
  }

  #start(): Lane {
    const worker = new Worker(new URL("./decode_worker.ts", import.meta.url), { type: "module" });
    const lane: Lane = { worker, jobs: [] };
    worker.onmessage = ({ data }: MessageEvent<Decoded>) => {
      lane.jobs.shift()!.done(data);
      this.#watch(lane);
      this.#feed();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(lane, `decoding it ended its worker: ${event.message}`);
    };
    this.#lanes.add(lane);
    return lane;
  }

  /** Refuses the picture in work; the others go to another worker. */
  #fail(lane: Lane, reason: string): void {
    const [failed, ...others] = this.#stop(lane);
    this.#waiting.unshift(...others);
    failed?.done({ reason });
    this.#feed();
  }

  /** Ends a worker, and takes back what lay with it. */
  #stop(lane: Lane): Job[] {
    clearTimeout(lane.timer);
    lane.worker.terminate();
    this.#lanes.delete(lane);
    return lane.jobs.splice(0);
  }
}
