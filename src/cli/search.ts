import { decodeEmbeddings, type KeyedEmbeddings } from "../data/embedding_file.ts";
import { findPictures } from "../data/find_pictures.ts";
import { resizeImage } from "../data/images/resize.ts";
import { nearest } from "../eval/nearest.ts";
import { checkSheetEnding, contactSheet, type SheetTile } from "../report/contact_sheet.ts";
import { readRun } from "../report/run_folder.ts";
import { openModel } from "../run/open_model.ts";
import { prepareData } from "../run/prepare.ts";
import { loadRunModel, savedOptions } from "../run/saved_run.ts";
import { searchExamples } from "../run/search.ts";
import { openTuned } from "../run/tuning.ts";
import { readFileBytes, writeFileAtomic } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { announce } from "./dry_run.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { Progress } from "./progress.ts";

/** Sides of pictures on the sheet, in pixels: of a run's, enlarged, and of the user's own. */
const RUN_SIDE = 96, OWN_SIDE = 192;

/** `superbatch search RUN "red heart"`, and `superbatch search "red heart" --index FILE`. */
export async function search(options: InvocationOf<"search">): Promise<number> {
  const { run, query, index, model, data } = options;
  if (index !== undefined) {
    if (query !== undefined) {
      throw new UsageError(
        `With --index there is only the query: put "${run} ${query}" in quotes, or leave out the run`,
      );
    }
    return await searchIndex(run, index, options);
  }
  if (query === undefined) {
    throw new UsageError(
      `search needs RUN and QUERY, or QUERY with --index FILE; it was given "${run}" alone`,
    );
  }
  if (model !== undefined || data !== undefined) {
    throw new UsageError("--model and --data go with --index FILE");
  }
  return await searchRun(run, query, options);
}

async function searchRun(path: string, query: string, options: InvocationOf<"search">): Promise<number> {
  const { count, quiet, out = `${path}/search.png` } = options;
  checkSheetEnding(out);
  const saved = savedOptions(await readRun(path));
  if (options.dryRun) {
    return announce({
      computes: [
        `embed the held-out pictures by ${path}/learner.safetensors, and find the ${count} nearest to "${query}"`,
      ],
      writes: [out],
    }, options.json);
  }
  const progress = new Progress(undefined, quiet);
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
  const { imageSize } = data.test.dataset;
  const scale = Math.max(1, Math.floor(RUN_SIDE / imageSize));
  const tiles = hits.map(({ pixels, caption, score }) => ({
    pixels: enlarge(pixels, imageSize, scale),
    caption,
    note: score.toFixed(3),
  }));
  const rows = hits.map(({ caption, score }) => ({ caption, score }));
  return await show(query, rows, tiles, imageSize * scale, out, options.json);
}

async function searchIndex(query: string, file: string, options: InvocationOf<"search">): Promise<number> {
  const { count, out = "search.png" } = options;
  checkSheetEnding(out);
  const index = await decodeEmbeddings(await readFileBytes(file), file), { header } = index;
  const matrix = index.image ?? index.text;
  if (matrix === null) {
    throw new TypeError(`${file} holds neither pictures nor captions: make it with superbatch embed`);
  }
  const data = options.data ?? header.data, modelPath = options.model ?? header.model;
  if (options.dryRun) {
    return announce({
      computes: [
        `embed "${query}" by ${modelPath}, and find the ${count} nearest of ${index.keys.length} rows`,
      ],
      writes: index.image && data !== null ? [out] : [],
    }, options.json);
  }
  using device = await openTuned();
  using opened = await openModel(device, modelPath);
  if (opened.hash !== header.modelHash) {
    throw new TypeError(
      `${file} was made by another model than ${opened.path} is now: name the one that made it with --model, or embed again`,
    );
  }
  const embedded = new Float32Array(await opened.model.embedTexts(opened.encode([query])));
  const hits = distinct(index, embedded, matrix, header.width, count);
  const rows = hits.map(({ index: row, score }) => ({
    key: index.keys[row],
    shard: index.shards[row],
    caption: index.captions[row],
    score,
  }));
  if (!index.image || data === null) return await show(query, rows, null, 0, out, options.json); // captions alone
  const pictures = await findPictures(data, rows);
  const tiles = rows.flatMap(({ caption, score }, at) => {
    const picture = pictures[at];
    const pixels = picture && resizeImage(picture, { imageSize: OWN_SIDE, filter: "bicubic", fit: "pad" });
    return pixels ? [{ pixels, caption, note: score.toFixed(3) }] : [];
  });
  if (tiles.length < rows.length) {
    console.error(
      `${
        rows.length - tiles.length
      } of the ${rows.length} pictures are no longer in ${data}: name their place with --data`,
    );
  }
  return await show(query, rows, tiles, OWN_SIDE, out, options.json);
}

/** The nearest rows; a picture that has several captions, and so several rows, counts once. */
function distinct(
  { keys, shards, image }: KeyedEmbeddings,
  query: Float32Array,
  matrix: Float32Array,
  width: number,
  count: number,
): { index: number; score: number }[] {
  const all = nearest(query, matrix, keys.length, width, image ? keys.length : count),
    seen = new Set<string>();
  return all.filter(({ index }) => {
    const place = JSON.stringify([shards[index], keys[index]]), first = !seen.has(place);
    seen.add(place);
    return first;
  }).slice(0, count);
}

async function show(
  query: string,
  rows: readonly { readonly caption: string; readonly score: number; readonly key?: string }[],
  tiles: readonly SheetTile[] | null,
  size: number,
  out: string,
  json: boolean,
): Promise<number> {
  if (tiles) await writeFileAtomic(out, contactSheet(tiles, { title: `“${query}”`, size, columns: 4 }, out));
  if (json) console.log(JSON.stringify({ query, picture: tiles ? out : null, hits: rows }));
  else {
    for (const { caption, score, key } of rows) {
      console.log(`${score.toFixed(3)}  ${key === undefined ? "" : `${key}  `}${caption}`);
    }
    if (tiles) console.log(`\nPictures: ${out}`);
  }
  return ExitCode.ok;
}

/** A picture [size, size, 3] with every pixel so many times wider and taller. */
function enlarge(pixels: Uint8Array, size: number, scale: number): Uint8Array {
  const side = size * scale, large = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const from = (Math.floor(y / scale) * size + Math.floor(x / scale)) * 3;
      large.set(pixels.subarray(from, from + 3), (y * side + x) * 3);
    }
  }
  return large;
}
