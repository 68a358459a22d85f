/**
 * Offline curation: which pairs of a pool are kept before a training begins.
 *
 * @module
 */

import type { PairEmbeddings } from "./embeddings.ts";
import { highest, referenceScores } from "./reference_score.ts";
import { semanticDeduplication } from "./semantic_deduplication.ts";

/**
 * Names of the methods: `reference-score` keeps the pairs that the reference finds easiest (CLIP-score filtering),
 * `deduplicate` drops pictures that are nearly alike (SemDeDup).
 */
export type CurationName = "reference-score" | "deduplicate";

/** Keeps `count` pairs and returns their numbers, ascending. */
type Curation = (embeddings: PairEmbeddings, count: number, seed: number) => Uint32Array<ArrayBuffer>;

/** All methods by name. */
export const curations: Readonly<Record<CurationName, Curation>> = {
  "reference-score": (embeddings, count) => highest(referenceScores(embeddings), count),
  deduplicate: ({ image, width }, count, seed) => semanticDeduplication(image, width, { count, seed }).kept,
};

/** All names, for help and checks. */
export const curationNames = Object.keys(curations) as readonly CurationName[];
