/**
 * The table of scores: adding one touches this file alone.
 *
 * @module
 */

/** Which of a batch's losses make its score. */
export type ScoreName = "learnability" | "easy-reference" | "hard-learner";

/** A batch's score as a sum of losses; a model whose factor is 0 is not needed. */
export interface Score {
  /** Factor on the learner's loss. */
  readonly learner: 0 | 1;
  /** Factor on the reference's loss. */
  readonly reference: 0 | -1;
}

/**
 * All scores by name (JEST, arXiv:2406.17711, section 3.1): learnability prefers what is unlearned and learnable, easy
 * reference what the reference knows, hard learner what the learner does not.
 */
export const scores: Readonly<Record<ScoreName, Score>> = {
  learnability: { learner: 1, reference: -1 },
  "easy-reference": { learner: 0, reference: -1 },
  "hard-learner": { learner: 1, reference: 0 },
};

/** All names, for help and checks. */
export const scoreNames = Object.keys(scores) as readonly ScoreName[];
