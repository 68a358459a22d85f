/**
 * The table of samplers: adding one touches this file and its own.
 *
 * @module
 */

import { selectJoint } from "./joint.ts";
import type { Sampler } from "./selection.ts";
import { selectUniform } from "./uniform.ts";

/** Names of the samplers. */
export type SamplerName = "joint" | "uniform";

/** All samplers by name. */
export const samplers: Readonly<Record<SamplerName, Sampler>> = {
  joint: {
    scores: true,
    select: (graph, scores, request) => {
      if (!scores) throw new TypeError("Joint selection needs the embeddings of a learner and a reference");
      return selectJoint(graph, scores, request);
    },
  },
  uniform: { scores: false, select: (graph, _, request) => selectUniform(graph, request) },
};

/** All names, for help and checks. */
export const samplerNames = Object.keys(samplers) as readonly SamplerName[];
