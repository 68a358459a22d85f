import { encodeEmbeddings } from "../data/embedding_file.ts";
import { openSource } from "../data/sources/open_source.ts";
import type { BadSample } from "../data/sources/source.ts";
import { embedCaptions, type EmbeddedPairs, embedPairs } from "../run/embed_pairs.ts";
import { openModel } from "../run/open_model.ts";
import { openTuned } from "../run/tuning.ts";
import { readFileBytes, writeFileAtomic } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { announce } from "./dry_run.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { Progress } from "./progress.ts";

/** `superbatch embed`. */
export async function embed(options: InvocationOf<"embed">): Promise<number> {
  const { model: path, data, captions, out, json, quiet } = options;
  if ((data === undefined) === (captions === undefined)) {
    throw new UsageError("embed needs DATA, or --captions FILE in its place: give one of them");
  }
  if (!/\.(safetensors|parquet)$/i.test(out)) {
    throw new UsageError(
      `--out ${out} is neither .safetensors nor .parquet: choose a name that ends in one of them`,
    );
  }
  using device = await openTuned();
  using opened = await openModel(device, path);
  const lines = captions === undefined ? [] : await readLines(captions);
  if (options.dryRun) {
    const shards = data === undefined ? 0 : (await openSource(data)).shards.length;
    const what = data === undefined
      ? `${lines.length} captions of ${captions}`
      : `${data} (${shards} shards)`;
    return announce({ computes: [`embed ${what} by ${opened.path}`], writes: [out] }, json);
  }
  const progress = new Progress(undefined, quiet);
  let embedded: EmbeddedPairs;
  try {
    embedded = data === undefined
      ? await embedCaptions(opened, lines, captions!)
      : await embedPairs(opened, data, {
        ...readOptions(options, progress, "Embedding"),
        towers: options.tower === "both" ? ["image", "text"] : [options.tower],
      });
    await writeFileAtomic(out, encodeEmbeddings(embedded, out));
  } finally {
    progress.close();
  }
  const { keys, bad, image, text, header: { width } } = embedded;
  const towers = [...(image ? ["image"] : []), ...(text ? ["text"] : [])];
  if (json) console.log(JSON.stringify({ file: out, rows: keys.length, width, towers, bad }));
  else {
    const skipped = bad > 0 ? `, ${bad} samples skipped` : "";
    console.log(
      `${keys.length.toLocaleString("en")} rows of ${width}: ${towers.join(" and ")}${skipped}\n${out}`,
    );
  }
  return ExitCode.ok;
}

/** How the user's data are read: what the command line said, with progress, and each bad sample on stderr. */
export function readOptions(
  { limit, maxBad }: { readonly limit: number | undefined; readonly maxBad: number | undefined },
  progress: Progress,
  stage: string,
): {
  limit?: number;
  maxBad?: number;
  onBad: (sample: BadSample) => void;
  onProgress: (done: number, total: number) => void;
} {
  return {
    ...(limit === undefined ? {} : { limit }),
    ...(maxBad === undefined ? {} : { maxBad }),
    onBad: ({ shard, key, reason }) => progress.log(`Skipped "${key}" in ${shard}: ${reason}`),
    onProgress: (done, total) => progress.update(stage, done, total, total === 0 ? `${done} pairs` : ""),
  };
}

/**
 * The lines of a text file, without empty ones.
 *
 * @throws FileError when it cannot be read
 */
export async function readLines(path: string): Promise<string[]> {
  const text = new TextDecoder().decode(await readFileBytes(path));
  return text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
}
