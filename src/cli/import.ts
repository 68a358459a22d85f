import { fetchModel, HUB_PREFIX } from "../data/hub.ts";
import { formatBytes } from "../gpu/memory.ts";
import { writeCheckpoint } from "../models/checkpoint.ts";
import { preprocessingOf } from "../models/config.ts";
import { importModel } from "../models/pretrained/import.ts";
import { writeFileAtomic } from "../storage/files.ts";
import { readModelFolder } from "../storage/model_folder.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode } from "./errors.ts";
import { Progress } from "./progress.ts";

/** `superbatch import`: weights of transformers or timm as a checkpoint. */
export async function importWeights(
  { from, out, text, seed, cache, dryRun, json, quiet }: InvocationOf<"import">,
): Promise<number> {
  const progress = new Progress(undefined, quiet);
  let folder = from;
  if (from.startsWith(HUB_PREFIX)) {
    folder = await fetchModel(from, {
      cache,
      onProgress: (file, done, total) =>
        progress.update(`fetch ${file}`, done, Number.isNaN(total) ? 0 : total, formatBytes(done)),
    });
  }
  progress.close();
  const files = { ...await readModelFolder(folder), name: from };
  const { layout, config, parameters, notes, initialised } = importModel(files, { textPreset: text, seed });
  const content = writeCheckpoint({ config, parameters, notes });
  if (!dryRun) await writeFileAtomic(out, content);
  const count = [...parameters.values()].reduce((sum, { length }) => sum + length, 0);
  const { imageSize, fit } = preprocessingOf(config.vision), tokenizer = notes.tokenizer !== undefined;
  const untrained = initialised.filter((name) => !name.startsWith("logit_")).length;
  if (json) {
    console.log(
      JSON.stringify({
        file: dryRun ? null : out,
        layout,
        parameters: count,
        bytes: content.length,
        config,
        tokenizer,
        initialised,
      }),
    );
    return ExitCode.ok;
  }
  const { vision, text: words, embedding } = config;
  console.log(
    [
      `${from}: ${layout}, ${count.toLocaleString("en")} parameters, embeddings of ${embedding}`,
      `image tower: ${imageSize} pixels (${fit}), patches of ${vision.patchSize}, ${vision.depth} blocks of ${vision.width}`,
      `text tower: ${words.tokens} tokens of ${
        words.vocabulary.toLocaleString("en")
      }, ${words.depth} blocks of ${words.width}` +
      (untrained > 0 ? ", not yet trained" : tokenizer ? "" : "; without a tokenizer"),
      dryRun
        ? `would write ${out}, ${formatBytes(content.length)}`
        : `${out}, ${formatBytes(content.length)}`,
    ].join("\n"),
  );
  return ExitCode.ok;
}
