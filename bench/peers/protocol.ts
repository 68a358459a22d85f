/**
 * How a library's process talks to the driver: one JSON object a line, a request on stdin, a reply on stdout.
 *
 * Each library lives in a process of its own for the whole run, because a runtime that holds two devices measures
 * neither well, and because warm processes can be asked in turn: what slows the machine slows them all.
 *
 * @module
 */

import type { Digest, Work } from "./work.ts";

/** What the driver asks. */
export type Request =
  /** Build the work, run it, report results to compare; nothing is timed yet. */
  | { readonly ask: "prepare"; readonly work: Work }
  /** Run the prepared work so many times, wait once, report the seconds. */
  | { readonly ask: "time"; readonly runs: number }
  /** Free the prepared work. */
  | { readonly ask: "release" };

/** What a process answers. */
export type Reply =
  | { readonly adapter: string }
  | Prepared
  | Timing
  | { readonly released: true }
  | { readonly error: string };

/** Results by which the driver holds a library against superbatch. */
export interface Prepared {
  /** Of a kernel's result. */
  readonly digest?: Digest;
  /** Of the first steps, each before its update. */
  readonly losses?: readonly number[];
  /** How the library runs the work, where that is not always the same. */
  readonly note?: string;
}

/** What so many runs took. */
export interface Timing {
  readonly seconds: number;
  /** Compute dispatches of all the runs; null where there are none. */
  readonly dispatches: number | null;
  /** Submits to the queue of all the runs; null where there is no queue. */
  readonly submits: number | null;
}

/** A work that was built. */
export interface Case extends Prepared {
  /** Runs it so many times and waits for the last; reads back nothing in between. */
  run(runs: number): Promise<void>;
  /** Frees it. */
  release(): void;
}

/** Answers the driver until stdin ends. */
export async function serve(
  prepare: (work: Work) => Promise<Case>,
): Promise<void> {
  const reply = (message: Reply) =>
    Deno.stdout.writeSync(
      new TextEncoder().encode(`${JSON.stringify(message)}\n`),
    );
  // What a library prints must not be taken for a reply.
  console.log = console.info = console.error;
  const counts = countCalls();
  reply({ adapter: await adapterName() });
  let current: Case | undefined;
  const answer = async (request: Request): Promise<Reply> => {
    switch (request.ask) {
      case "prepare": {
        current = await prepare(request.work);
        return { digest: current.digest, losses: current.losses, note: current.note };
      }
      case "time": {
        counts.dispatches = counts.submits = 0;
        const start = performance.now();
        await current!.run(request.runs);
        return { seconds: (performance.now() - start) / 1000, ...counts };
      }
      case "release":
        current?.release();
        current = undefined;
        return { released: true };
    }
  };
  for await (const line of lines(Deno.stdin.readable)) {
    try {
      reply(await answer(JSON.parse(line) as Request));
    } catch (error) {
      reply({
        error: error instanceof Error ? error.message.split("\n").slice(0, 3).join(" ") : String(error),
      });
    }
  }
}

/** Counts what a library asks of WebGPU from here on; a call more costs nanoseconds. */
function countCalls(): { dispatches: number; submits: number } {
  const counts = { dispatches: 0, submits: 0 };
  const { submit } = GPUQueue.prototype, { dispatchWorkgroups } = GPUComputePassEncoder.prototype;
  GPUQueue.prototype.submit = function (buffers) {
    counts.submits++;
    return submit.call(this, buffers);
  };
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (x, y, z) {
    counts.dispatches++;
    return dispatchWorkgroups.call(this, x, y, z);
  };
  return counts;
}

/** The adapter that all libraries ask for: the system's fastest. */
async function adapterName(): Promise<string> {
  const adapter = await navigator.gpu.requestAdapter({
    powerPreference: "high-performance",
  });
  if (!adapter) {
    throw new Error("No GPU adapter was found: install a Vulkan driver");
  }
  return adapter.info.description || adapter.info.device || adapter.info.vendor;
}

/** The lines of a stream of bytes. */
export async function* lines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
