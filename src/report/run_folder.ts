/**
 * The folder of a run: written while it goes on, read by `eval`, `search` and the report.
 *
 * @module
 */

import { FileError, readFileBytes, writeFileAtomic } from "../storage/files.ts";
import type { MetricLine, RunSummary, SelectionSnapshot } from "../train/record.ts";

/** How a run stands. Only a complete one has a summary. */
export type RunStatus = "running" | "complete" | "interrupted" | "failed";

/** What `status.json` holds. */
function statusText(status: RunStatus, reason?: string): string {
  return JSON.stringify({ status, ...(reason ? { reason } : {}) }) + "\n";
}

/** A folder or file of a run is missing, incomplete or not writable. */
export class RunFolderError extends Error {
  /** The error's kind. */
  override name = "RunFolderError";
}

/** The folder of one run, open for writing. */
export class RunFolder {
  /** A folder that exists already; {@link createRunFolder} makes one. */
  constructor(
    /** Path of the folder. */
    readonly path: string,
  ) {}

  /** Says in `status.json` that the run was left in its midst; the last thing that a process which exits can do. */
  readonly #left = () => {
    try {
      Deno.writeTextFileSync(`${this.path}/status.json`, statusText("interrupted", "Stopped at once"));
    } catch {
      // Nobody is left to be told.
    }
  };

  /** Begins the run. */
  async begin(): Promise<void> {
    await this.#setStatus("running");
    globalThis.addEventListener("unload", this.#left);
  }

  /** Writes a file of the run whole or not at all. */
  async writeFile(name: string, content: string | Uint8Array): Promise<void> {
    await writeFileAtomic(`${this.path}/${name}`, content);
  }

  /** Writes `config.json`: every option as it was resolved. */
  async writeConfig(config: unknown): Promise<void> {
    await this.writeFile("config.json", JSON.stringify(config, null, 2) + "\n");
  }

  /** Adds a line to `metrics.jsonl`. */
  async appendMetrics(line: MetricLine): Promise<void> {
    await this.#append("metrics.jsonl", line);
  }

  /** Adds a line to `selection.jsonl`. */
  async appendSnapshot(snapshot: SelectionSnapshot): Promise<void> {
    await this.#append("selection.jsonl", snapshot);
  }

  async #append(name: string, value: unknown): Promise<void> {
    try {
      await Deno.writeTextFile(`${this.path}/${name}`, JSON.stringify(value) + "\n", { append: true });
    } catch (cause) {
      throw new RunFolderError(
        `Cannot write ${this.path}/${name}: ${
          (cause as Error).message
        }. Free some space or choose another --out.`,
        { cause },
      );
    }
  }

  /** Ends the run: its summary, then its status. */
  async finish(summary: RunSummary): Promise<void> {
    await this.writeFile("summary.json", JSON.stringify(summary, null, 2) + "\n");
    await this.#end("complete");
  }

  /** Notes that the run did not come to its end; never throws, because the reason is what matters. */
  async fail(status: "interrupted" | "failed", reason: Error): Promise<void> {
    try {
      await this.#end(status, reason.message);
    } catch {
      // The folder may be what failed.
    }
  }

  async #end(status: RunStatus, reason?: string): Promise<void> {
    globalThis.removeEventListener("unload", this.#left);
    await this.#setStatus(status, reason);
  }

  async #setStatus(status: RunStatus, reason?: string): Promise<void> {
    await this.writeFile("status.json", statusText(status, reason));
  }
}

/**
 * Makes `<out>/<time>-<name>/`.
 *
 * @throws {RunFolderError} when it cannot be made or written
 */
export async function createRunFolder(out: string, name: string, now: Date = new Date()): Promise<RunFolder> {
  const stamp = now.toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  const base = `${out}/${stamp}-${name.replace(/[^\w.-]+/g, "-")}`;
  try {
    await Deno.mkdir(out, { recursive: true });
    for (let attempt = 1;; attempt++) {
      const path = attempt === 1 ? base : `${base}-${attempt}`;
      try {
        await Deno.mkdir(path);
      } catch (error) {
        if (error instanceof Deno.errors.AlreadyExists && attempt < 100) continue;
        throw error;
      }
      const folder = new RunFolder(path);
      try {
        await folder.begin();
      } catch (error) {
        await Deno.remove(path, { recursive: true }).catch(() => {}); // a full disk: leave no empty run behind
        throw error;
      }
      return folder;
    }
  } catch (cause) {
    throw new RunFolderError(
      `Cannot write into the output folder ${out}: ${(cause as Error).message}. Choose another with --out.`,
      { cause },
    );
  }
}

/** A run read back. */
export interface RunRecord {
  /** Path of the folder. */
  readonly path: string;
  /** `config.json`: every option as it was resolved. */
  readonly config: Record<string, unknown>;
  /** `summary.json` */
  readonly summary: RunSummary;
  /** `metrics.jsonl`, oldest first. */
  readonly metrics: MetricLine[];
  /** `selection.jsonl`, oldest first. */
  readonly snapshots: SelectionSnapshot[];
}

/** The lines that a run has written so far. */
export async function readLines(
  path: string,
): Promise<{ metrics: MetricLine[]; snapshots: SelectionSnapshot[] }> {
  const lines = async <T>(name: string): Promise<T[]> =>
    ((await readText(`${path}/${name}`)) ?? "").split("\n").filter((line) => line !== "")
      .map((line) => parse<T>(line, `${path}/${name}`));
  return { metrics: await lines("metrics.jsonl"), snapshots: await lines("selection.jsonl") };
}

/**
 * Reads a complete run.
 *
 * @throws {RunFolderError} when the folder is no run, or the run did not come to its end
 * @throws {FileError} when a file is there and cannot be read
 */
export async function readRun(path: string): Promise<RunRecord> {
  const status = await readText(`${path}/status.json`);
  if (!status) {
    throw new RunFolderError(
      `${path} is no run: it has no status.json. Give a folder that "superbatch train" made.`,
    );
  }
  const { status: state, reason } = parse<{ status: RunStatus; reason?: string }>(
    status,
    `${path}/status.json`,
  );
  if (state === "running") {
    throw new RunFolderError(
      `The run ${path} did not finish: it is still running, or was killed. Only a complete run can be used.`,
    );
  }
  if (state !== "complete") {
    throw new RunFolderError(
      `The run ${path} did not finish, it is ${state}${
        reason ? `: ${reason}` : ""
      }. Only a complete run can be used.`,
    );
  }
  const need = async (name: string) => {
    const content = await readText(`${path}/${name}`);
    if (content === null) throw new RunFolderError(`The run ${path} has lost its ${name}`);
    return content;
  };
  return {
    path,
    config: parse(await need("config.json"), `${path}/config.json`),
    summary: parse(await need("summary.json"), `${path}/summary.json`),
    ...await readLines(path),
  };
}

async function readText(path: string): Promise<string | null> {
  try {
    return new TextDecoder().decode(await readFileBytes(path));
  } catch (error) {
    if (error instanceof FileError && ["ENOENT", "ENOTDIR"].includes(error.code)) return null;
    throw error; // there, but not readable
  }
}

function parse<T>(content: string, name: string): T {
  try {
    return JSON.parse(content);
  } catch {
    throw new RunFolderError(`${name} is damaged: it is no JSON`);
  }
}
