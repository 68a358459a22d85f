/**
 * The data of the default experiment, tokenised and ready to train on.
 *
 * @module
 */

import type { TrainOptions } from "../config/train_options.ts";
import { conceptPrompts } from "../data/captions.ts";
import type { PairDataset, TokenisedDataset } from "../data/dataset.ts";
import { buildDefaultData, type DefaultData } from "../data/default_data.ts";
import { encodeCaptions, loadTokenizer, trainTokenizer } from "../data/tokenizer.ts";
import { preset, type TextConfig } from "../models/config.ts";
import type { TestSet } from "./evaluate.ts";
import type { RunHooks } from "./hooks.ts";

/** All that a run trains, selects and tests on. */
export interface PreparedData {
  /** The curated set. */
  readonly reference: TokenisedDataset;
  /** The noisy pool. */
  readonly pool: TokenisedDataset;
  /** The held-out vendor. */
  readonly test: TestSet & { readonly dataset: PairDataset };
  readonly tokenizerJson: string;
  readonly vocabulary: number;
  /** Token ids of free text, [n, T]. */
  encode(captions: readonly string[]): Uint32Array;
  /** The same pairs as another tokenizer's ids. */
  tokenisedBy(tokenizerJson: string, text: TextConfig): PreparedData;
  /** What the run folder notes: sizes, hashes, what was left out. */
  readonly description: Record<string, unknown>;
  readonly attributions: readonly string[];
}

/** Builds (or takes from the cache) the data of the default experiment. */
export async function prepareData(
  options: Omit<TrainOptions, "microBatch">,
  hooks: RunHooks,
): Promise<PreparedData> {
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
  const { text } = preset(options.preset);
  const tokenizerJson = trainTokenizer([...data.reference.captions, ...data.pool.captions], {
    vocabularySize: text.vocabulary,
  });
  return tokenised(data, tokenizerJson, text);
}

/** The sets with their captions as a tokenizer's ids. */
function tokenised(
  data: DefaultData,
  tokenizerJson: string,
  { tokens: length, vocabulary }: TextConfig,
): PreparedData {
  const { reference, pool, test, concepts, notes, attributions } = data;
  const tokenizer = loadTokenizer(tokenizerJson);
  const encode = (captions: readonly string[]) => encodeCaptions(tokenizer, captions, length);
  const withTokens = (dataset: PairDataset): TokenisedDataset => ({
    ...dataset,
    tokens: encode(dataset.captions),
  });
  const prompts = concepts.map((concept) => conceptPrompts(concept));
  return {
    reference: withTokens(reference),
    pool: withTokens(pool),
    test: {
      dataset: test,
      pixels: test.pixels,
      tokens: encode(test.captions),
      labels: test.concept,
      promptTokens: encode(prompts.flat()),
      prompts: prompts[0].length,
    },
    tokenizerJson,
    vocabulary,
    encode,
    tokenisedBy: (json, text) => tokenised(data, json, text),
    description: {
      reference: { size: reference.size, hash: reference.hash },
      pool: { size: pool.size, hash: pool.hash },
      test: { size: test.size, hash: test.hash },
      notes,
    },
    attributions,
  };
}
