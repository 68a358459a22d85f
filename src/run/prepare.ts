/**
 * The data of the default experiment, tokenised and ready to train on.
 *
 * @module
 */

import type { TrainOptions } from "../config/train_options.ts";
import { conceptPrompts } from "../data/captions.ts";
import type { PairDataset, TokenisedDataset } from "../data/dataset.ts";
import { buildDefaultData } from "../data/default_data.ts";
import { encodeCaptions, loadTokenizer, trainTokenizer } from "../data/tokenizer.ts";
import { preset } from "../models/config.ts";
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
  /** What the run folder notes: sizes, hashes, what was left out. */
  readonly description: Record<string, unknown>;
  readonly attributions: readonly string[];
}

/** Builds (or takes from the cache) the data of the default experiment. */
export async function prepareData(
  options: Omit<TrainOptions, "microBatch">,
  hooks: RunHooks,
): Promise<PreparedData> {
  const { reference, pool, test, concepts, notes, attributions } = await buildDefaultData({
    poolSize: options.poolSize,
    inDomainShare: options.inDomain,
    captionNoise: options.captionNoise,
    imageSize: options.imageSize,
    seed: options.dataSeed,
    cacheFolder: options.cache,
    onProgress: ({ stage, done, total }) => hooks.onProgress(stage, done, total),
  });
  const { text } = preset(options.preset);
  const tokenizerJson = trainTokenizer([...reference.captions, ...pool.captions], {
    vocabularySize: text.vocabulary,
  });
  const tokenizer = loadTokenizer(tokenizerJson);
  const encode = (captions: readonly string[]) => encodeCaptions(tokenizer, captions, text.tokens);
  const tokenised = (dataset: PairDataset): TokenisedDataset => ({
    ...dataset,
    tokens: encode(dataset.captions),
  });
  const prompts = concepts.map((concept) => conceptPrompts(concept));
  return {
    reference: tokenised(reference),
    pool: tokenised(pool),
    test: {
      dataset: test,
      pixels: test.pixels,
      tokens: encode(test.captions),
      labels: test.concept,
      promptTokens: encode(prompts.flat()),
      prompts: prompts[0].length,
    },
    tokenizerJson,
    vocabulary: text.vocabulary,
    encode,
    description: {
      reference: { size: reference.size, hash: reference.hash },
      pool: { size: pool.size, hash: pool.hash },
      test: { size: test.size, hash: test.hash },
      notes,
    },
    attributions,
  };
}
