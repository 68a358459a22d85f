/**
 * The table of samplers: adding one touches this file and its own.
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import { Candidates } from "./candidates.ts";
import { drawByGibbs } from "./gibbs.ts";
import { drawIndependently } from "./independent.ts";
import { drawJointly } from "./joint.ts";
import { type ScoreName, scoreNames, scores } from "./scores.ts";
import type { Embeddings, Sampler, Selection, SelectionRequest } from "./selection.ts";
import { drawHighest } from "./top_k.ts";
import { drawUniformly } from "./uniform.ts";

/** Names of the samplers. */
export type SamplerName = "joint" | "independent" | "uniform" | "gibbs" | "top-k";

/** All samplers by name. */
export const samplers: Readonly<Record<SamplerName, Sampler>> = {
  joint: { scores: scoreNames, chunked: true, draw: drawJointly },
  independent: { scores: scoreNames, chunked: false, draw: drawIndependently },
  uniform: { scores: null, chunked: false, draw: drawUniformly },
  gibbs: { scores: scoreNames, chunked: true, draw: drawByGibbs },
  "top-k": { scores: ["easy-reference"], chunked: false, draw: drawHighest },
};

/** All names, for help and checks. */
export const samplerNames = Object.keys(samplers) as readonly SamplerName[];

/**
 * The score that a sampler goes by.
 *
 * @param wanted the score that was asked for, if any
 * @returns null for a sampler that looks at no example
 * @throws RangeError when there is no such sampler or score, or the sampler cannot go by it
 */
export function samplerScore(sampler: SamplerName, wanted?: ScoreName | null): ScoreName | null {
  if (!Object.hasOwn(samplers, sampler)) {
    throw new RangeError(`There is no sampler "${sampler}": choose one of ${samplerNames.join(", ")}`);
  }
  const own = samplers[sampler].scores, score = wanted ?? own?.[0] ?? null;
  if (score !== null && !Object.hasOwn(scores, score)) {
    throw new RangeError(`There is no score "${score}": choose one of ${scoreNames.join(", ")}`);
  }
  if (own === null) return null;
  if (!own.includes(score!)) {
    throw new RangeError(
      `The sampler "${sampler}" cannot go by ${score}: leave the score out, or ask for ${own}`,
    );
  }
  return score;
}

/** Which models' embeddings a score counts; none without a score. */
export function countedModels(
  score: ScoreName | null,
): { readonly learner: boolean; readonly reference: boolean } {
  const { learner, reference } = score ? scores[score] : { learner: 0, reference: 0 };
  return { learner: learner !== 0, reference: reference !== 0 };
}

/**
 * Records a selection.
 *
 * @throws RangeError unless 1 ≤ N ≤ b ≤ S
 * @throws TypeError when embeddings that the score counts are missing or do not fit, or the sampler needs a score
 */
export function selectBatch(
  graph: Graph,
  name: SamplerName,
  embeddings: Embeddings,
  request: SelectionRequest,
): Selection {
  const sampler = samplers[name];
  const candidates = request.score && new Candidates(graph, embeddings, request);
  if (sampler.scores === null) return evaluated(graph, sampler.draw(graph, request), candidates);
  if (!candidates) {
    throw new TypeError(`The sampler "${name}" goes by a score: name one of ${sampler.scores}`);
  }
  return evaluated(graph, sampler.draw(graph, request, candidates), candidates);
}

/** What was drawn, with its scores. */
function evaluated(
  graph: Graph,
  { indices, slots, entropy, drawnBy }: Pick<Selection, "indices" | "slots" | "entropy" | "drawnBy">,
  candidates: Candidates | null,
): Selection {
  return {
    indices,
    slots,
    entropy,
    drawnBy,
    diagonal: candidates?.diagonal ?? null,
    batchScore: candidates?.batchScore(indices) ??
      graph.constant("batch score", [1], new Float32Array(1)),
  };
}
