/**
 * The user's own data: a pool to learn from, what is curated of it, and what is held out.
 *
 * @module
 */

import { cacheFolder } from "../data/cache.ts";
import { sigLipPreprocessing } from "../data/images/preprocessing.ts";
import { pickPairs } from "../data/dataset.ts";
import { openSource, splitSources } from "../data/sources/open_source.ts";
import { type LoadedPairs, loadPairs } from "../data/load_pairs.ts";
import { clipTemplates, promptsOf } from "../eval/prompt_templates.ts";
import { preprocessingOf } from "../models/config.ts";
import { permutation, Stream } from "../random/philox.ts";
import type { DataOptions } from "./arm_options.ts";
import type { RunHooks } from "./hooks.ts";
import type { RawData, RawTask } from "./prepare.ts";
import { readFileBytes } from "../storage/files.ts";

/** Captions that a report's searches take from the test set. */
const QUERIES = 6;
/** Pairs that are held out at most where no test set is given: retrieval among more says no more. */
const MOST_HELD_OUT = 2000;

/**
 * Reads the sets that `--pool`, `--curated` and `--test` name. Without a test set a share of the curated set is held out, or of
 * the pool where there is none.
 *
 * @throws {SourceError} when there is no such data set
 * @throws {ShardError} when a part of one is damaged
 * @throws RangeError when too many samples are bad, or a set is too small for what is asked of it
 */
export async function loadOwnData(
  options: DataOptions,
  hooks: RunHooks,
): Promise<RawData> {
  const { imageSize, dataSeed: seed } = options;
  // As the model that the run starts from looks at them.
  const { filter, fit } = options.initial
    ? preprocessingOf(options.initial.config.vision)
    : sigLipPreprocessing(imageSize);
  const load = async (name: string, path: string) => {
    const loaded = await loadPairs(path, { imageSize, filter, fit }, {
      signal: hooks.signal,
      maxBad: options.maxBad,
      memoryBytes: options.dataMemory ?? undefined,
      folder: cacheFolder(options.cache),
      onProgress: (done, total) => hooks.onProgress(`read the ${name}`, done, total),
    });
    for (const line of complaints(loaded)) hooks.log(line);
    return loaded;
  };
  let pool = await load("pool", options.pool!);
  let curated = options.curated === null ? null : await load("curated set", options.curated);
  const task = options.task === null ? undefined : await loadTask(options.task, load);
  let test = options.test === null ? null : await load("test set", options.test);
  if (!test) {
    const [kept, heldOut] = await holdOut(curated ?? pool, options.testShare, seed);
    test = heldOut;
    if (curated) curated = kept;
    else pool = kept;
  }
  if (options.mix !== null) pool = await mixed(pool, options.pool!, options.mix);
  const order = permutation(seed, Stream.data, 8, test.size), { captions } = test;
  return {
    reference: curated,
    ...(task ? { task } : {}),
    pool,
    ...classified(test),
    queries: [...new Set(Array.from(order, (at) => captions[at]))].slice(0, QUERIES),
    notes: {
      pool: options.pool,
      curated: options.curated,
      task: options.task,
      test: options.test ?? `${options.testShare} held out`,
      bad: pool.bad.length + (curated?.bad.length ?? 0) + test.bad.length,
    },
    attributions: [],
  };
}

/**
 * A task: a data set of examples, or captions or names of classes, a line each, in a text file.
 *
 * @throws {FileError} when the text file cannot be read
 * @throws RangeError when it is empty
 */
async function loadTask(
  path: string,
  load: (name: string, path: string) => Promise<LoadedPairs>,
): Promise<RawTask> {
  if (!/\.txt$/i.test(path)) {
    const pairs = await load("task's examples", path);
    return { pairs, captions: pairs.captions };
  }
  const text = new TextDecoder().decode(await readFileBytes(path));
  const captions = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  if (captions.length === 0) throw new RangeError(`${path} holds no caption: write one a line`);
  return { pairs: null, captions };
}

/** What was left out of a set, in a few lines. */
function complaints({ bad, name, size }: LoadedPairs): string[] {
  if (bad.length === 0) return [];
  const shown = bad.slice(0, 3).map((sample) => `  ${sample.shard}: ${sample.key}: ${sample.reason}`);
  const more = bad.length > shown.length ? [`  and ${bad.length - shown.length} more`] : [];
  return [`${name}: ${bad.length} of ${bad.length + size} samples left out`, ...shown, ...more];
}

/** A set without a share of it, and that share. */
async function holdOut(all: LoadedPairs, share: number, seed: number): Promise<[LoadedPairs, LoadedPairs]> {
  const { size, name } = all, count = Math.min(MOST_HELD_OUT, Math.round(size * share));
  if (count < 2 || count >= size) {
    throw new RangeError(
      `Holding out ${share} of the ${size} pairs of ${name} leaves ${count} to test on: give --test, or another --test-share`,
    );
  }
  const order = permutation(seed, Stream.data, 9, size);
  return [
    { ...await pick(all, Uint32Array.from(order.subarray(count)).sort()), bad: all.bad },
    await pick(all, Uint32Array.from(order.subarray(0, count)).sort()),
  ];
}

/** Some pairs of a set, in the order given. */
async function pick(all: LoadedPairs, rows: Uint32Array): Promise<LoadedPairs> {
  const picked = <T>(values: readonly T[]) => Array.from(rows, (row) => values[row]);
  return {
    ...await pickPairs(all, rows),
    keys: picked(all.keys),
    shards: picked(all.shards),
    labels: picked(all.labels),
    bad: [],
  };
}

/** A pool whose parts, joined by `::` in its path, come as often as their weights ask. */
async function mixed(pool: LoadedPairs, path: string, weights: readonly number[]): Promise<LoadedPairs> {
  const parts = splitSources(path), partOfShard = new Map<string, number>();
  for (const [number, part] of parts.entries()) {
    for (const { name } of (await openSource(part)).shards) partOfShard.set(name, number);
  }
  const rows = mixedRows(pool.shards.map((shard) => partOfShard.get(shard)!), weights);
  return { ...await pick(pool, rows), bad: pool.bad };
}

/**
 * Rows of an epoch in which each part has its share by the weights: every pair comes once at least, and those of parts that
 * are too short for their share come again.
 *
 * @param parts [n]: number of the part that each pair belongs to
 * @throws RangeError when a part has a weight and no pair
 */
export function mixedRows(parts: readonly number[], weights: readonly number[]): Uint32Array {
  const rows = weights.map((_, part) => parts.flatMap((of, row) => of === part ? [row] : []));
  const empty = rows.findIndex((members) => members.length === 0);
  if (empty >= 0) throw new RangeError(`Part ${empty + 1} of the pool holds no pair: leave it out`);
  const unit = Math.max(...rows.map((members, part) => members.length / weights[part]));
  return Uint32Array.from(
    rows.flatMap((members, part) =>
      Array.from({ length: Math.round(unit * weights[part]) }, (_, at) => members[at % members.length])
    ),
  );
}

/** A test set with its classes numbered, where every picture has one, and the prompts of these. */
function classified(test: LoadedPairs): { test: LoadedPairs; prompts: string[][] } {
  if (test.labels.some((label) => label === undefined)) return { test, prompts: [] };
  const labels = test.labels as string[], names = [...new Set(labels)].sort();
  return {
    test: { ...test, concept: Int32Array.from(labels, (label) => names.indexOf(label)) },
    prompts: names.map((name) => promptsOf([name], clipTemplates)),
  };
}
