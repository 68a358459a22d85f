/**
 * Files behind HTTP(S): ranges, retries with growing pauses, and going on where a connection was cut.
 *
 * @module
 */

import { SourceError } from "./source.ts";
import type { StoredFile } from "./stored_file.ts";

/** How patiently remote files are read. */
export interface RemoteOptions {
  /** Attempts in a row that may fail before reading gives up; each byte that arrives starts the count anew. 5. */
  readonly retries?: number;
  /** Pause before the first repeated attempt in ms, doubled with each further one up to 30 s. 500. */
  readonly backoffMs?: number;
  /** Silence of a server, in ms, after which the connection counts as cut. 30,000. */
  readonly stallMs?: number;
}

/** Where requests go and how they are signed. */
export interface RemoteTarget {
  /** Address that is fetched. */
  readonly url: string;
  /** Adds a signature to a request, where a store wants one. */
  readonly sign?: (method: string, url: string, headers: Headers) => Promise<Headers>;
}

/** A file of an HTTP server or S3-compatible store. */
export class RemoteFile implements StoredFile {
  readonly #options: Required<RemoteOptions>;
  #size: number | undefined;
  /** What the server calls this version of the file. */
  #version: string | null = null;

  /**
   * A file that nothing was asked about yet.
   *
   * @param address what messages call it
   */
  constructor(
    readonly address: string,
    private readonly target: RemoteTarget,
    { retries = 5, backoffMs = 500, stallMs = 30_000 }: RemoteOptions = {},
  ) {
    this.#options = { retries, backoffMs, stallMs };
  }

  /** @throws SourceError when the server refuses or does not tell */
  async size(signal?: AbortSignal): Promise<number> {
    if (this.#size === undefined) {
      // A range of one byte, not HEAD: signed addresses are often good for GET only.
      const attempts = new Attempts(this.address, this.#options, signal);
      while (this.#size === undefined) {
        using connection = await this.#connect(0, 1, attempts, signal);
        if (connection.total === null) {
          throw new SourceError(
            `${this.address}: the server does not tell its length. Download it first`,
            this.address,
          );
        }
        this.#size = connection.total;
      }
    }
    return this.#size;
  }

  /** @throws SourceError when the server refuses, or connections fail too often in a row */
  async slice(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(end - start);
    let filled = 0;
    for await (const part of this.#parts(start, end, signal)) {
      bytes.set(part, filled);
      filled += part.length;
    }
    return bytes;
  }

  /** Errors with SourceError when the server refuses, or connections fail too often in a row. */
  stream(signal?: AbortSignal): ReadableStream<Uint8Array<ArrayBuffer>> {
    const parts = this.#parts(0, null, signal);
    return new ReadableStream({
      async pull(controller) {
        const { done, value } = await parts.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await parts.return();
      },
    }, { highWaterMark: 0 });
  }

  /** The bytes from `start` to `end` or the file's end, over as many connections as it takes. */
  async *#parts(
    start: number,
    end: number | null,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    const attempts = new Attempts(this.address, this.#options, signal);
    let at = start;
    while (end === null || at < end) {
      using connection = await this.#connect(at, end, attempts, signal);
      const wanted = end ?? connection.total;
      try {
        while (wanted === null || at < wanted) {
          const part = await connection.read();
          if (part === null) {
            if (wanted === null) return; // the server told no length: its end is the end
            throw new Error(`the connection ended at byte ${at} of ${wanted}`);
          }
          const useful = wanted === null ? part : part.subarray(0, wanted - at);
          at += useful.length;
          attempts.progress();
          yield useful;
        }
        return;
      } catch (cause) {
        if (cause instanceof SourceError) throw cause;
        await attempts.failed(cause, `after byte ${at}`);
      }
    }
  }

  /** A connection that stands at byte `start`. */
  async #connect(
    start: number,
    end: number | null,
    attempts: Attempts,
    signal?: AbortSignal,
  ): Promise<Connection> {
    for (;;) {
      const connection = new Connection(this.#options.stallMs, signal);
      try {
        const headers = new Headers({ "accept-encoding": "identity" });
        if (start > 0 || end !== null) headers.set("range", `bytes=${start}-${end === null ? "" : end - 1}`);
        const { url, sign } = this.target;
        await connection.open(url, await sign?.("GET", url, headers) ?? headers);
        const wait = this.#judge(connection.response, attempts.last);
        if (wait === null) {
          await connection.skipTo(start, this.address);
          this.#recognise(connection.response);
          return connection;
        }
        connection[Symbol.dispose]();
        await attempts.failed(new Error(`the server answered ${statusOf(connection.response)}`), "", wait);
      } catch (cause) {
        connection[Symbol.dispose]();
        if (cause instanceof SourceError) throw cause;
        if (cause instanceof Deno.errors.NotCapable) {
          const { host } = new URL(this.target.url);
          const message =
            `Cannot read ${this.address}: Deno was not allowed to reach ${host}. Run with --allow-net=${host}`;
          throw new SourceError(message, this.address, { cause });
        }
        await attempts.failed(cause, start > 0 ? `after byte ${start}` : "");
      }
    }
  }

  /** null for an answer to use, else the ms to wait before the next attempt. */
  #judge(response: Response, last: boolean): number | null {
    const { status } = response;
    if (response.ok) return null;
    const transient = status === 408 || status === 429 || status >= 500;
    if (transient && !last) return Number(response.headers.get("retry-after") ?? 0) * 1000 || 0;
    const next = NEXT_STEP[status] ?? (transient ? "Try again later" : "Check the address");
    const region = response.headers.get("x-amz-bucket-region");
    const hint = region && (status === 301 || status === 400)
      ? `The bucket lies in ${region}: set AWS_REGION`
      : next;
    throw new SourceError(
      `Cannot read ${this.address}: the server answered ${statusOf(response)}. ${hint}`,
      this.address,
    );
  }

  /** Remembers the file's version, and refuses to go on with another. */
  #recognise({ headers }: Response): void {
    const version = headers.get("etag") ?? headers.get("last-modified");
    if (this.#version !== null && version !== null && version !== this.#version) {
      throw new SourceError(
        `${this.address} was changed on the server while it was read. Start again`,
        this.address,
      );
    }
    this.#version ??= version;
  }
}

/** One answer of a server, given up when it falls silent. */
class Connection implements Disposable {
  /** The answer's head. */
  response!: Response;
  /** Length of the whole file, null where the server does not tell. */
  total: number | null = null;
  readonly #abort = new AbortController();
  readonly #onAbort: () => void;
  #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  #ahead: Uint8Array<ArrayBuffer> | null = null;

  constructor(private readonly stallMs: number, private readonly signal?: AbortSignal) {
    this.#onAbort = () => this.#abort.abort(this.signal!.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", this.#onAbort);
  }

  async open(url: string, headers: Headers): Promise<void> {
    this.response = await this.#patiently(() => fetch(url, { headers, signal: this.#abort.signal }));
    this.#reader = this.response.body?.getReader();
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(this.response.headers.get("content-range") ?? "");
    const length = this.response.headers.get("content-length");
    if (this.response.status === 206) this.total = range && range[2] !== "*" ? Number(range[2]) : null;
    else if (length !== null && !this.response.headers.has("content-encoding")) this.total = Number(length);
  }

  /** Passes over what comes before `start` where a server ignores ranges. */
  async skipTo(start: number, address: string): Promise<void> {
    const range = /^bytes (\d+)-/.exec(this.response.headers.get("content-range") ?? "");
    let at = this.response.status === 206 ? Number(range?.[1] ?? NaN) : 0;
    if (!(at <= start)) {
      throw new SourceError(`${address}: the server sent another range than was asked for`, address);
    }
    while (at < start) {
      const part = await this.read();
      if (part === null) throw new Error(`the connection ended at byte ${at}`);
      at += part.length;
      if (at > start) this.#ahead = part.subarray(part.length - (at - start));
    }
  }

  /** The next bytes, or null at the end. */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#ahead !== null) {
      const ahead = this.#ahead;
      this.#ahead = null;
      return ahead;
    }
    if (this.#reader === undefined) return null;
    const { done, value } = await this.#patiently(() => this.#reader!.read());
    return done ? null : value;
  }

  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    const silent = () => this.#abort.abort(new Error(`no byte arrived for ${this.stallMs / 1000} s`));
    const timer = setTimeout(silent, this.stallMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    this.signal?.removeEventListener("abort", this.#onAbort);
    this.#reader?.cancel().catch(() => {});
    this.#abort.abort();
  }
}

/** Failures in a row, and the pauses between them. */
class Attempts {
  #failures = 0;

  constructor(
    private readonly address: string,
    private readonly options: Required<RemoteOptions>,
    private readonly signal?: AbortSignal,
  ) {}

  /** Whether one more failure ends it. */
  get last(): boolean {
    return this.#failures >= this.options.retries;
  }

  progress(): void {
    this.#failures = 0;
  }

  /** Waits before the next attempt, or throws where there is none. */
  async failed(cause: unknown, where: string, atLeastMs = 0): Promise<void> {
    this.signal?.throwIfAborted();
    if (this.last) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const place = where === "" ? "" : ` ${where}`;
      throw new SourceError(
        `Cannot read ${this.address}${place}: ${reason}, ${this.#failures + 1} times in a row. ` +
          `Check the network and the address, then start again`,
        this.address,
        { cause },
      );
    }
    const pause = Math.min(this.options.backoffMs * 2 ** this.#failures, MAX_PAUSE_MS);
    this.#failures++;
    await sleep(Math.max(pause, Math.min(atLeastMs, MAX_PAUSE_MS)), this.signal);
  }
}

const MAX_PAUSE_MS = 30_000;

const NEXT_STEP: Record<number, string> = {
  401: "It wants a login: sign the address, or download the file first",
  403: "Check the keys (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3://) and what they may read",
  404: "Check the address",
  410: "The file was removed",
  416: "The file is shorter than it was: start again",
};

function statusOf({ status, statusText }: Response): string {
  return statusText === "" ? `${status}` : `${status} ${statusText}`;
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
