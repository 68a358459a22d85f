/**
 * The examples of a super-batch as the samplers see them: with scores that depend on what is chosen already.
 *
 * @module
 */

import { linearGrid } from "../gpu/recorder.ts";
import { sigmoidScores, softmaxScores } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { expectShape, type Tensor } from "../graph/tensor.ts";
import type { LossName, Pairing } from "../losses/contrastive.ts";
import { matmul } from "../ops/matmul.ts";
import { type Score, scores } from "./scores.ts";
import type { Drawn, Embeddings, SelectionRequest } from "./selection.ts";

const WORKGROUP = 64;
/** Keeps each matrix of products at or below 16 MiB. */
const BLOCK_ELEMENTS = 2 ** 22;
/** Parts' totals start at multiples of so many candidates, on the grid that bindings need. */
const CANDIDATE_GRID = 64;

/** Rows of `length` columns that one block of products holds; whole blocks start on the grid that bindings need. */
function blockRows(length: number): number {
  return Math.max(64, Math.floor(BLOCK_ELEMENTS / length / 64) * 64);
}

/**
 * The table of losses: the kernels that score under each, and what a candidate's total over chosen examples is. A sum
 * can be added straight to the conditional score; log-sum-exps, four of them, are kept beside it.
 */
const kernels = {
  sigmoid: { shader: sigmoidScores, lanes: 1 },
  softmax: { shader: softmaxScores, lanes: 4 },
} as const satisfies Record<LossName, unknown>;

/** A run of members' dot products with all candidates, or with all members. */
interface Products {
  /** [members, columns]: members' texts by images. */
  readonly forth: Tensor;
  /** [members, columns]: members' images by texts. */
  readonly back: Tensor;
}

/** Scores of a super-batch's examples under one loss, conditional on those that are chosen. */
export class Candidates {
  /** [S]: gain times the score given what has joined; of examples that are free. */
  readonly cond: Tensor;
  /** [S]: each example's own score at gain 1. */
  readonly diagonal: Tensor;
  /** Totals over all that have joined, where they are not `cond` itself; made when first needed. */
  #totals: Tensor | null = null;
  readonly #signs: Score;
  readonly #logits: Tensor;
  readonly #constants: { WORKGROUP: number; LEARNER_SIGN: number; REFERENCE_SIGN: number };
  readonly #common;
  readonly #learner: Pairing | null;
  readonly #reference: Pairing | null;

  /**
   * Records the scores before anything is chosen.
   *
   * @param embeddings of the models that the score counts; others are not looked at
   * @throws TypeError when embeddings that count are missing, not [S, D], or D is no multiple of 4
   */
  constructor(
    private readonly graph: Graph,
    embeddings: Embeddings,
    private readonly request: SelectionRequest,
  ) {
    const { superBatch, batch, gain, score } = request;
    if (!score) throw new TypeError("Cannot score candidates: name a score");
    this.#signs = scores[score];
    const counted = (model: keyof Embeddings) => {
      if (this.#signs[model] === 0) return null;
      const pairing = embeddings[model];
      if (!pairing) throw new TypeError(`The score "${score}" needs the embeddings of a ${model}`);
      checkShapes(pairing, model, superBatch);
      return pairing;
    };
    const learner = this.#learner = counted("learner"), reference = this.#reference = counted("reference");
    const { nothing } = graph;
    this.#constants = {
      WORKGROUP,
      LEARNER_SIGN: this.#signs.learner,
      REFERENCE_SIGN: this.#signs.reference,
    };
    this.#common = {
      count: superBatch,
      batch,
      vectors: 0,
      learner_vectors: vectorsOf(learner),
      reference_vectors: vectorsOf(reference),
      first: 0,
      members: 0,
      parts: 0,
      dropped: 0,
      stride: 0,
      gain,
    };
    this.#logits = graph.temporary("scales and biases", [4]);
    graph.dispatch(this.#shader, "pack_logits", {
      learner_scale: learner?.logitScale ?? nothing,
      learner_bias: learner?.logitBias ?? nothing,
      reference_scale: reference?.logitScale ?? nothing,
      reference_bias: reference?.logitBias ?? nothing,
      logits_out: this.#logits,
    }, { workgroups: [1, 1, 1], constants: this.#constants });
    this.cond = graph.temporary("conditional scores", [superBatch]);
    this.diagonal = graph.temporary("own scores", [superBatch]);
    graph.dispatch(this.#shader, "start", {
      params: this.#common,
      learner_image: learner?.image ?? nothing,
      learner_text: learner?.text ?? nothing,
      reference_image: reference?.image ?? nothing,
      reference_text: reference?.text ?? nothing,
      logits: this.#logits,
      cond_out: this.cond,
      diagonal_out: this.diagonal,
    }, {
      workgroups: this.#perCandidate,
      constants: this.#constants,
      flops: 8 * superBatch * (vectorsOf(learner) + vectorsOf(reference)),
    });
  }

  get #shader() {
    return kernels[this.request.loss].shader;
  }

  get #perCandidate() {
    return linearGrid(this.request.superBatch, WORKGROUP);
  }

  /** Members `first` … `first + members` − 1 of a selection have joined: `cond` of the free candidates follows. */
  join({ indices, slots }: Drawn, first: number, members: number): void {
    if (this.request.loss === "sigmoid") {
      return this.#add(this.cond, { indices, slots }, first, members, true);
    }
    const joined = this.#totals !== null;
    this.#totals ??= this.totals(1);
    this.#add(this.#totals, { indices, slots }, first, members, joined);
    this.#combine(this.#totals, slots, { parts: 1, dropped: 1, first: 0, members: 0 });
  }

  /** Room for the totals of N parts of a selection, [N, S] with rows on the grid that bindings need. */
  totals(parts: number): Tensor {
    const { lanes } = kernels[this.request.loss];
    return this.graph.temporary("totals of parts", [parts, this.#stride * lanes]);
  }

  get #stride(): number {
    return Math.ceil(this.request.superBatch / CANDIDATE_GRID) * CANDIDATE_GRID;
  }

  /**
   * A part's total: what some of its members mean to every candidate, chosen or not.
   *
   * @param totals from {@link totals}
   * @param runs the members that count
   * @param keep goes on from what is there instead of anew
   */
  total(totals: Tensor, drawn: Drawn, part: number, runs: readonly Run[], keep = false): void {
    const total = totals.rows(part, part + 1);
    runs.forEach(({ first, members }, at) => this.#add(total, drawn, first, members, keep || at > 0, true));
  }

  /** Frees some members: `cond` is now that given what the totals count, those of one part left out if it is named. */
  free(totals: Tensor, { slots }: Drawn, { first, members }: Run, without?: number): void {
    const parts = totals.shape[0];
    this.#combine(totals, slots, { parts, dropped: without ?? parts, first, members });
  }

  /** Records the selected batch's score at gain 1, [1]. */
  batchScore(indices: Tensor): Tensor {
    const { graph, request: { batch, loss } } = this;
    const learned = this.#members(this.#learner, indices, 0, batch);
    const referred = this.#members(this.#reference, indices, 0, batch);
    const row_sums = graph.temporary("scores of the selected", [batch]);
    for (let first = 0; first < batch; first += blockRows(batch)) {
      const members = Math.min(blockRows(batch), batch - first);
      const dots = (pairing: Pairing | null, rows: "text" | "image", label: string) =>
        pairing
          ? this.#product(
            pairing[rows].rows(first, first + members),
            pairing[rows === "text" ? "image" : "text"],
            label,
          )
          : graph.nothing;
      const forth = {
        params: { ...this.#common, first, members },
        learner_forth: dots(learned, "text", "learner's products of the selected"),
        reference_forth: dots(referred, "text", "reference's products of the selected"),
        logits: this.#logits,
        row_sums,
      };
      const options = { workgroups: linearGrid(members, WORKGROUP), constants: this.#constants };
      // The sigmoid's sum over all pairs has each of them once; the softmax needs rows and columns.
      if (loss === "sigmoid") graph.dispatch(sigmoidScores, "rows", forth, options);
      else {
        graph.dispatch(softmaxScores, "rows", {
          ...forth,
          learner_back: dots(learned, "image", "learner's products of the selected"),
          reference_back: dots(referred, "image", "reference's products of the selected"),
        }, options);
      }
    }
    const batchScore = graph.temporary("batch score", [1]);
    graph.dispatch(this.#shader, "finish", {
      params: { ...this.#common, members: batch },
      row_sums_in: row_sums,
      batch_score: batchScore,
    }, { workgroups: [1, 1, 1], constants: this.#constants });
    return batchScore;
  }

  /** Adds what members mean to the candidates: to the free ones, or to every one. */
  #add(
    totals: Tensor,
    { indices, slots }: Pick<Drawn, "indices" | "slots">,
    from: number,
    count: number,
    accumulate: boolean,
    every = false,
  ): void {
    const { graph, request: { superBatch } } = this, last = from + count;
    for (let first = from; first < last; first += blockRows(superBatch)) {
      const members = Math.min(blockRows(superBatch), last - first);
      const learned = this.#products(this.#learner, "learner", indices, first, members);
      const referred = this.#products(this.#reference, "reference", indices, first, members);
      graph.dispatch(this.#shader, "add", {
        params: { ...this.#common, first, members },
        learner_forth: learned.forth,
        learner_back: learned.back,
        reference_forth: referred.forth,
        reference_back: referred.back,
        logits: this.#logits,
        totals,
        slots,
      }, {
        workgroups: this.#perCandidate,
        constants: { ...this.#constants, ACCUMULATE: accumulate || first > from, EVERY: every },
      });
    }
  }

  #combine(
    totals: Tensor,
    slots: Tensor,
    params: { parts: number; dropped: number; first: number; members: number },
  ): void {
    this.graph.dispatch(this.#shader, "combine", {
      params: { ...this.#common, ...params, stride: this.#stride },
      diagonal: this.diagonal,
      part_totals: totals,
      cond_out: this.cond,
      slots_out: slots,
    }, { workgroups: this.#perCandidate, constants: this.#constants });
  }

  /** One model's embeddings of some members of a selection. */
  #members(pairing: Pairing | null, indices: Tensor, first: number, members: number): Pairing | null {
    if (!pairing) return null;
    const { graph } = this, width = pairing.image.shape[1], vectors = width / 4;
    const member_image = graph.temporary("images of members", [members, width]);
    const member_text = graph.temporary("texts of members", [members, width]);
    graph.dispatch(this.#shader, "members", {
      params: { ...this.#common, vectors, first, members },
      image: pairing.image,
      text: pairing.text,
      indices,
      member_image,
      member_text,
    }, { workgroups: linearGrid(members * vectors, WORKGROUP), constants: this.#constants });
    return { ...pairing, image: member_image, text: member_text };
  }

  /** One model's products of some members with all candidates; nothing for a model that does not count. */
  #products(
    pairing: Pairing | null,
    model: string,
    indices: Tensor,
    first: number,
    members: number,
  ): Products {
    const chosen = this.#members(pairing, indices, first, members);
    if (!pairing || !chosen) return { forth: this.graph.nothing, back: this.graph.nothing };
    return {
      forth: this.#product(chosen.text, pairing.image, `${model}'s texts of members by images`),
      back: this.#product(chosen.image, pairing.text, `${model}'s images of members by texts`),
    };
  }

  #product(rows: Tensor, columns: Tensor, label: string): Tensor {
    return matmul(this.graph, rows, columns, { transposeB: true, label });
  }
}

/** Members of a selection that follow one another: where they start, and how many they are. */
export interface Run {
  readonly first: number;
  readonly members: number;
}

/** D / 4 of a model's embeddings, 0 without a model. */
function vectorsOf(pairing: Pairing | null): number {
  return pairing ? pairing.image.shape[1] / 4 : 0;
}

function checkShapes({ image, text }: Pairing, model: string, superBatch: number): void {
  const width = image.shape[1];
  expectShape(image, [superBatch, width], `the ${model}'s image embeddings`);
  expectShape(text, [superBatch, width], `the ${model}'s text embeddings`);
  if (width % 4 !== 0) {
    throw new TypeError(`Cannot score embeddings of width ${width}: it must be a multiple of 4`);
  }
}
