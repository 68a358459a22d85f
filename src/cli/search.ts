import { openTuned } from "../run/tuning.ts";
import { encodePng, tilePictures } from "../report/png.ts";
import { readRun } from "../report/run_folder.ts";
import { prepareData } from "../run/prepare.ts";
import { loadRunModel, savedOptions } from "../run/saved_run.ts";
import { searchExamples } from "../run/search.ts";
import { writeFileAtomic } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { ExitCode } from "./errors.ts";
import { Progress } from "./progress.ts";

/** `superbatch search RUN "red heart"`. */
export async function search(options: InvocationOf<"search">): Promise<number> {
  const { run: path, query, count, json, quiet, out = `${path}/search.png` } = options;
  const progress = new Progress(undefined, quiet);
  const saved = savedOptions(await readRun(path));
  using device = await openTuned();
  const prepared = await prepareData(saved, {
    onProgress: (stage, done, total) => progress.update(stage, done, total),
    log: (line) => progress.log(line),
    signal: AbortSignal.any([]),
  });
  using model = await loadRunModel(device, path, "learner");
  const data = saved.init === null
    ? prepared
    : prepared.tokenisedBy(model.notes.tokenizer, model.config.text);
  const [{ hits }] = await searchExamples(model, data, [query], {
    count,
    patchSize: saved.patch ?? undefined,
  });
  progress.close();
  const sheet = tilePictures(hits.map(({ pixels }) => pixels), data.test.dataset.imageSize, {
    columns: 8,
    scale: 3,
  });
  await writeFileAtomic(out, encodePng(sheet));
  const rows = hits.map(({ caption, score }) => ({ caption, score }));
  if (json) console.log(JSON.stringify({ query, picture: out, hits: rows }));
  else {
    for (const { caption, score } of rows) console.log(`${score.toFixed(3)}  ${caption}`);
    console.log(`\nPictures: ${out}`);
  }
  return ExitCode.ok;
}
