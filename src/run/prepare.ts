/**
 * The data of a run, tokenised and ready to train on: the user's own, or the default experiment's.
 *
 * @module
 */

import { conceptPrompts } from "../data/captions.ts";
import type { PairDataset, TokenisedDataset } from "../data/dataset.ts";
import { buildDefaultData } from "../data/default_data.ts";
import { encodeCaptions, loadTokenizer, trainTokenizer } from "../data/tokenizer.ts";
import { preset, type TextConfig } from "../models/config.ts";
import type { TestSet } from "./evaluate.ts";
import type { DataOptions } from "./arm_options.ts";
import type { RunHooks } from "./hooks.ts";
import { loadOwnData } from "./own_data.ts";

/** Examples of a task: pairs, or captions alone. */
export interface RawTask {
  /** Null for captions alone. */
  readonly pairs: PairDataset | null;
  readonly captions: readonly string[];
}

/** The sets of a run before their captions are token ids. */
export interface RawData {
  /** The curated set; null where there is none, and a reference is brought along. */
  readonly reference: PairDataset | null;
  /** The noisy pool. */
  readonly pool: PairDataset;
  /** What a task is known by, where a reference's set is to be inferred from one of the user's. */
  readonly task?: RawTask;
  /** Held out. */
  readonly test: PairDataset;
  /** The prompts of each class that `concept` counts; empty where the pictures have no classes. */
  readonly prompts: readonly (readonly string[])[];
  /** Texts whose nearest test pictures a report shows. */
  readonly queries: readonly string[];
  /** What the run folder notes beside sizes and hashes. */
  readonly notes: object;
  readonly attributions: readonly string[];
}

/** All that a run trains, selects and tests on. */
export interface PreparedData extends Pick<RawData, "queries" | "attributions"> {
  /** The curated set; the pool where there is none. */
  readonly reference: TokenisedDataset;
  /** The noisy pool. */
  readonly pool: TokenisedDataset;
  /** Examples of the user's task, with the ids of their captions; null where there is none. */
  readonly task: { readonly pairs: TokenisedDataset | null; readonly tokens: Uint32Array } | null;
  /** Held out. */
  readonly test: TestSet & { readonly dataset: PairDataset };
  readonly tokenizerJson: string;
  readonly vocabulary: number;
  /** Token ids of free text, [n, T]. */
  encode(captions: readonly string[]): Uint32Array;
  /** The same pairs as another tokenizer's ids. */
  tokenisedBy(tokenizerJson: string, text: TextConfig): PreparedData;
  /** What the run folder notes: sizes, hashes, what was left out. */
  readonly description: Record<string, unknown>;
}

/** Loads the data that the options name, or builds (or takes from the cache) those of the default experiment. */
export async function prepareData(
  options: DataOptions,
  hooks: RunHooks,
): Promise<PreparedData> {
  const raw = options.pool === null ? await defaultData(options, hooks) : await loadOwnData(options, hooks);
  const { text } = preset(options.preset);
  const tokenizerJson = trainTokenizer([
    ...raw.reference?.captions ?? [],
    ...raw.task?.captions ?? [],
    ...raw.pool.captions,
  ], {
    vocabularySize: text.vocabulary,
  });
  return tokenised(raw, tokenizerJson, text);
}

async function defaultData(options: DataOptions, hooks: RunHooks): Promise<RawData> {
  const data = await buildDefaultData({
    poolSize: options.poolSize,
    inDomainShare: options.inDomain,
    captionNoise: options.captionNoise,
    duplicates: options.duplicates,
    unknownConcepts: options.unknownConcepts,
    heldOutConcepts: options.heldOutConcepts,
    imageSize: options.imageSize,
    seed: options.dataSeed,
    cacheFolder: options.cache,
    onProgress: ({ stage, done, total }) => hooks.onProgress(stage, done, total),
  });
  return {
    ...data,
    prompts: data.concepts.map((concept) => conceptPrompts(concept)),
    queries: ["red heart", "smiling face", "dog", "airplane", "pizza", "moon"],
  };
}

/** The sets with their captions as a tokenizer's ids. */
function tokenised(
  data: RawData,
  tokenizerJson: string,
  { tokens: length, vocabulary }: TextConfig,
): PreparedData {
  const { pool, test, prompts, queries, notes, attributions } = data,
    reference = data.reference ?? pool;
  const tokenizer = loadTokenizer(tokenizerJson);
  const encode = (captions: readonly string[]) => encodeCaptions(tokenizer, captions, length);
  const withTokens = (dataset: PairDataset): TokenisedDataset => ({
    ...dataset,
    tokens: encode(dataset.captions),
  });
  const noted = ({ size, hash }: PairDataset) => ({ size, hash });
  return {
    reference: withTokens(reference),
    pool: withTokens(pool),
    task: data.task
      ? { pairs: data.task.pairs && withTokens(data.task.pairs), tokens: encode(data.task.captions) }
      : null,
    test: {
      dataset: test,
      pixels: test.pictures.slice(0, test.size),
      tokens: encode(test.captions),
      ...(prompts.length > 0
        ? {
          classes: {
            labels: test.concept,
            promptTokens: encode(prompts.flat()),
            prompts: prompts[0].length,
          },
        }
        : {}),
    },
    queries,
    tokenizerJson,
    vocabulary,
    encode,
    tokenisedBy: (json, text) => tokenised(data, json, text),
    description: { reference: noted(reference), pool: noted(pool), test: noted(test), notes },
    attributions,
  };
}
