/**
 * Model files from a hub in Hugging Face's manner, by name: `hf:owner/name`, or `hf:owner/name@revision`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { readFileBytes, writeError, writeFileAtomic } from "../storage/files.ts";
import { modelTexts, shardsOf, WEIGHTS, WEIGHTS_INDEX } from "../storage/model_folder.ts";
import { cacheFolder } from "./cache.ts";

/** How names of models on a hub begin. */
export const HUB_PREFIX = "hf:";

/** A hub does not have the model, refuses it, or cannot be reached. */
export class HubError extends Error {
  /** "HubError". */
  override readonly name = "HubError";
}

/** Options of {@link fetchModel}. */
export interface FetchModelOptions {
  /** The hub; `$HF_ENDPOINT`, else huggingface.co. */
  readonly endpoint?: string;
  /** What opens models that are not public; `$HF_TOKEN`. Sent to the endpoint only. */
  readonly token?: string;
  /** Where files are kept; the cache folder when left out. */
  readonly cache?: string;
  /** Is told the bytes of a file that are there, and all of them where they are known. */
  readonly onProgress?: (file: string, done: number, total: number) => void;
  /** Longest silence of the hub, and first pause between tries, in milliseconds. */
  readonly patience?: { readonly silenceMs: number; readonly pauseMs: number };
}

const TRIES = 5;

/**
 * Fetches a model's files once: configurations, tokenizer, weights as safetensors. What was cut off goes on where it was.
 *
 * @param name such as `hf:google/siglip-base-patch16-224`
 * @returns the folder where they are kept
 * @throws TypeError when the name is none
 * @throws {HubError} when the hub has no such model, refuses it, cannot be reached, or sends other bytes than it says
 * @throws {FileError} when the cache folder cannot be written
 */
export async function fetchModel(name: string, options: FetchModelOptions = {}): Promise<string> {
  const [, owner, repository, revision = "main"] =
    /^hf:([A-Za-z0-9][\w.-]*)\/([A-Za-z0-9][\w.-]*)(?:@([A-Za-z0-9][\w.-]*))?$/.exec(name) ?? [];
  if (!owner) {
    throw new TypeError(`"${name}" names no model of a hub: write hf:owner/name, or hf:owner/name@revision`);
  }
  const endpoint = (options.endpoint ?? (Deno.env.get("HF_ENDPOINT") || "https://huggingface.co")).replace(
    /\/+$/,
    "",
  );
  const hub = new Hub(`${endpoint}/${owner}/${repository}/resolve`, name, {
    ...options,
    token: options.token ?? (Deno.env.get("HF_TOKEN") || undefined),
  });
  const first = await hub.text(revision, "config.json");
  if (!first) throw new HubError(`${name} has no config.json at ${endpoint}: check its name and revision`);
  // A branch moves: what is fetched and kept is the commit that it stands at.
  const commit = first.commit ?? revision;
  const folder = join(cacheFolder(options.cache), "hub", `${owner}--${repository}`, commit);
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (cause) {
    throw writeError(join(folder, "config.json"), cause);
  }
  await writeFileAtomic(join(folder, "config.json"), first.content);
  for (const file of [...modelTexts.filter((file) => file !== "config.json"), WEIGHTS_INDEX]) {
    if (await sizeOf(join(folder, file)) !== null) continue;
    const found = await hub.text(commit, file);
    if (found) await writeFileAtomic(join(folder, file), found.content);
  }
  const index = join(folder, WEIGHTS_INDEX);
  const shards = await sizeOf(index) === null
    ? [WEIGHTS]
    : new Set(shardsOf(new TextDecoder().decode(await readFileBytes(index)), index).values());
  for (const file of shards) await hub.download(commit, file, join(folder, file));
  return folder;
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await Deno.stat(path)).size;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw cause;
  }
}

/** A failure that another try may mend. */
class PassingError extends Error {}

/** One model on a hub. */
class Hub {
  readonly #headers: Record<string, string>;
  readonly #patience: { readonly silenceMs: number; readonly pauseMs: number };

  constructor(
    private readonly url: string,
    private readonly model: string,
    private readonly options: FetchModelOptions,
  ) {
    this.#headers = {
      "accept-encoding": "identity", // lengths are those of the file
      ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
    };
    this.#patience = options.patience ?? { silenceMs: 30_000, pauseMs: 1000 };
  }

  /** A small file, whole; null when the hub does not have it. */
  async text(revision: string, file: string): Promise<{ content: Uint8Array; commit: string | null } | null> {
    return await this.#patiently(file, async (signal) => {
      const { response, commit } = await this.#get(revision, file, {}, signal);
      if (response.status === 404) {
        await response.body?.cancel();
        return null;
      }
      return { content: new Uint8Array(await response.arrayBuffer()), commit };
    });
  }

  /** A large file, to disk: into a file beside it that is renamed when all of it is there and its hash is right. */
  async download(revision: string, file: string, path: string): Promise<void> {
    if (await sizeOf(path) !== null) return;
    const part = `${path}.part`;
    const sha256 = await this.#patiently(file, async (signal, alive) => {
      const from = await sizeOf(part) ?? 0;
      const { response, sha256 } = await this.#get(
        revision,
        file,
        from ? { range: `bytes=${from}-` } : {},
        signal,
      );
      if (response.status === 404) {
        throw new HubError(`${this.model} has no weights as safetensors: "${file}" is not there`);
      }
      // The part may be whole already: then there is nothing behind it.
      if (response.status === 416) {
        await response.body?.cancel();
        return sha256;
      }
      const goesOn = response.status === 206, start = goesOn ? from : 0;
      const length = Number(response.headers.get("content-length") ?? NaN), total = start + length;
      using out = await Deno.open(part, { write: true, create: true, truncate: !goesOn, append: goesOn });
      let done = start;
      for await (const chunk of response.body!) {
        for (let written = 0; written < chunk.length;) written += await out.write(chunk.subarray(written));
        done += chunk.length;
        alive();
        this.options.onProgress?.(file, done, total);
      }
      if (done < total) throw new PassingError(`the connection ended after ${done} of ${total} bytes`);
      return sha256;
    });
    if (sha256 !== null && await hashOf(part) !== sha256) {
      await Deno.remove(part);
      throw new HubError(
        `"${file}" of ${this.model} is not what the hub says (its SHA-256 differs): fetch it again`,
      );
    }
    try {
      await Deno.rename(part, path);
    } catch (cause) {
      throw writeError(path, cause);
    }
  }

  /** The response for a file, redirects followed; the token goes to the hub alone, not to where it redirects to. */
  async #get(revision: string, file: string, headers: Record<string, string>, signal: AbortSignal) {
    let url = new URL(`${this.url}/${revision}/${file}`),
      commit: string | null = null,
      sha256: string | null = null;
    const { origin } = url;
    for (let hops = 0; hops < 5; hops++) {
      const { authorization: _, ...open } = this.#headers;
      const response = await fetch(url, {
        headers: { ...(url.origin === origin ? this.#headers : open), ...headers },
        redirect: "manual",
        signal,
      });
      commit ??= commitOf(response.headers.get("x-repo-commit"));
      sha256 ??= hashIn(response.headers.get("x-linked-etag"));
      const location = response.headers.get("location");
      if (response.status >= 300 && response.status < 400 && location) {
        await response.body?.cancel();
        url = new URL(location, url);
        continue;
      }
      if (response.ok || response.status === 404 || response.status === 416) {
        return { response, commit, sha256 };
      }
      await response.body?.cancel();
      if (response.status === 429 || response.status >= 500) {
        throw new PassingError(`it answered ${response.status}`);
      }
      throw new HubError(
        `The hub refuses "${file}" of ${this.model} (${response.status}): ${
          response.status === 401 || response.status === 403
            ? "set HF_TOKEN to a token that may read it, and accept its terms there"
            : "check the name and the revision"
        }`,
      );
    }
    throw new HubError(`The hub redirects "${file}" of ${this.model} in circles`);
  }

  /** Tries some times, with longer and longer pauses, and ends what stays silent. */
  async #patiently<T>(
    file: string,
    attempt: (signal: AbortSignal, alive: () => void) => Promise<T>,
  ): Promise<T> {
    const { silenceMs, pauseMs } = this.#patience;
    let reason = "";
    for (let turn = 0; turn < TRIES; turn++) {
      if (turn > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs * 2 ** (turn - 1)));
      const controller = new AbortController();
      const silent = () =>
        controller.abort(new PassingError(`it was silent for ${silenceMs / 1000} seconds`));
      let timer = setTimeout(silent, silenceMs);
      const alive = () => {
        clearTimeout(timer);
        timer = setTimeout(silent, silenceMs);
      };
      try {
        return await attempt(controller.signal, alive);
      } catch (error) {
        if (error instanceof HubError || error instanceof Deno.errors.NotCapable || isSystem(error)) {
          throw error;
        }
        reason = (controller.signal.reason ?? error as Error).message;
      } finally {
        clearTimeout(timer);
      }
    }
    throw new HubError(
      `Cannot fetch "${file}" of ${this.model} after ${TRIES} tries: ${reason}. Check the network, or set HF_ENDPOINT to ` +
        "a mirror; the same command goes on where it was",
    );
  }
}

/** A failure of the disk, which no further try mends. */
function isSystem(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    /^(ENOSPC|EDQUOT|EROFS|EACCES)$/.test(String(error.code));
}

const commitOf = (text: string | null) => text !== null && /^[0-9a-f]{7,64}$/.test(text) ? text : null;

/** A SHA-256 as the hub writes it for large files; null for any other mark. */
const hashIn = (text: string | null) => /^"?([0-9a-f]{64})"?$/.exec(text ?? "")?.[1] ?? null;

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}
