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
/** Pictures a worker that wait beside the one in work, so that none stands idle. */
const WAITING = 4;

/** Several workers, each busy with one picture at a time. */
export class DecodePool implements Disposable {
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();
  readonly #waiting: (() => void)[] = [];
  /** Ends what is in work, by its worker. */
  readonly #refuse = new Map<Worker, (reason: Error) => void>();
  #ended = false;
  readonly #limit: number;

  /** A pool that starts its workers as they are needed. */
  constructor(
    private readonly preprocessing: Pick<Preprocessing, "imageSize" | "filter" | "fit">,
    private readonly options: DecodePoolOptions = {},
  ) {
    this.#limit = Math.max(1, options.workers ?? navigator.hardwareConcurrency);
  }

  /**
   * Decodes one picture. A worker that dies of it, or never answers, is replaced, and the picture refused; so is one that is
   * not decoded when the pool ends.
   */
  async decode(image: Uint8Array): Promise<Decoded> {
    while (!this.#ended && this.#idle.length === 0 && this.#all.size >= this.#limit) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#ended) return { reason: ENDED };
    const worker = this.#idle.pop() ?? this.#start();
    const { imageSize, filter, fit } = this.preprocessing, { maxPixels, limitMs = LIMIT_MS } = this.options;
    // Its own bytes, handed over: a clone of a view takes all of the buffer behind it, which may be a whole shard.
    const own = image.slice() as Uint8Array<ArrayBuffer>;
    const request: DecodeRequest = { image: own, preprocessing: { imageSize, filter, fit }, maxPixels };
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const reply = await new Promise<Decoded>((resolve, reject) => {
        this.#refuse.set(worker, reject);
        worker.onmessage = ({ data }: MessageEvent<Decoded>) => resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(`decoding it ended its worker: ${event.message}`));
        };
        timer = setTimeout(() => reject(new Error(`decoding it takes more than ${limitMs} ms`)), limitMs);
        worker.postMessage(request, [own.buffer]);
      });
      this.#idle.push(worker);
      return reply;
    } catch (error) {
      worker.terminate();
      this.#all.delete(worker);
      return { reason: (error as Error).message };
    } finally {
      clearTimeout(timer);
      this.#refuse.delete(worker);
      this.#waiting.shift()?.();
    }
  }

  /** Decodes pictures as they come, several at a time; the results come in the same order. */
  async *decodeAll<T extends { readonly image: Uint8Array }>(
    pictures: AsyncIterable<T> | Iterable<T>,
  ): AsyncIterable<readonly [T, Decoded]> {
    const ahead: Promise<readonly [T, Decoded]>[] = [];
    for await (const picture of pictures) {
      ahead.push(this.decode(picture.image).then((decoded) => [picture, decoded] as const));
      if (ahead.length >= this.#limit * WAITING) yield await ahead.shift()!;
    }
    for (const result of ahead) yield await result;
  }

  /** Ends the workers; what is still waited for is refused. */
  [Symbol.dispose](): void {
    this.#ended = true;
    for (const refuse of this.#refuse.values()) refuse(new Error(ENDED));
    for (const go of this.#waiting.splice(0)) go();
    for (const worker of this.#all) worker.terminate();
    this.#all.clear();
    this.#idle.length = 0;
  }

  #start(): Worker {
    const worker = new Worker(new URL("./decode_worker.ts", import.meta.url), { type: "module" });
    this.#all.add(worker);
    return worker;
  }
}
