/**
 * A library's process, seen from the driver.
 *
 * @module
 */

import { lines, type Prepared, type Reply, type Request, type Timing } from "./protocol.ts";
import type { Work } from "./work.ts";

/** One process, asked one thing at a time. */
export class Child {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #lines: AsyncGenerator<string>;
  /** What the process runs on; filled by {@link start}. */
  adapter = "";

  private constructor(readonly name: string, process: Deno.ChildProcess) {
    this.#process = process;
    this.#writer = process.stdin.getWriter();
    this.#lines = lines(process.stdout);
  }

  /**
   * Starts a process and waits until it has its device.
   *
   * @throws Error when it ends before that
   */
  static async start(
    name: string,
    program: string,
    args: readonly string[],
  ): Promise<Child> {
    const command = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    });
    const child = new Child(name, command.spawn());
    const hello = await child.#reply();
    if ("adapter" in hello) child.adapter = hello.adapter;
    return child;
  }

  async #reply(): Promise<Reply> {
    const { value, done } = await this.#lines.next();
    if (done) {
      const { code, signal } = await this.#process.status;
      throw new Error(
        `${this.name}'s process ended (${signal ?? `code ${code}`})`,
      );
    }
    const reply = JSON.parse(value) as Reply;
    if ("error" in reply) throw new Error(`${this.name}: ${reply.error}`);
    return reply;
  }

  async #ask(request: Request): Promise<Reply> {
    await this.#writer.write(
      new TextEncoder().encode(`${JSON.stringify(request)}\n`),
    );
    return await this.#reply();
  }

  /** Builds a work and reports results to compare. */
  async prepare(work: Work): Promise<Prepared> {
    return await this.#ask({ ask: "prepare", work }) as Prepared;
  }

  /** What so many runs of the prepared work take. */
  async time(runs: number): Promise<Timing> {
    return await this.#ask({ ask: "time", runs }) as Timing;
  }

  /** Frees the prepared work. */
  async release(): Promise<void> {
    await this.#ask({ ask: "release" });
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#process.status;
  }
}
