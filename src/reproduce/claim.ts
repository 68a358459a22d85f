/**
 * A claim of JEST's paper, or one about what this project adds to it, and what came of trying it in miniature.
 *
 * @module
 */

import type { Figure } from "../report/figure.ts";
import type { Lab } from "./lab.ts";
import type { Verdict } from "./statistics.ts";

/** Rows under headings; the first column names the row. */
export interface Table {
  readonly title: string;
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What the evidence came to. */
export interface Finding {
  readonly verdict: Verdict;
  /** What was found, in a sentence or two, with its figures. */
  readonly summary: string;
  readonly figures: readonly Figure[];
  readonly tables: readonly Table[];
}

/** A claim, and how it is tried. */
export interface Claim {
  /** Its number in docs/results.md. */
  readonly number: number;
  /** The claim, as a sentence. */
  readonly title: string;
  /** What the paper found, in its figures; null where the claim goes beyond it. */
  readonly paper: string | null;
  /** What is measured here, and what decides the verdict. */
  readonly measure: string;
  /** Whether models are trained for it beyond the reference. */
  readonly trains: boolean;
  readonly run: (lab: Lab) => Promise<Finding>;
}

/** A claim that was tried; one that could not be says why. */
export type ClaimResult =
  & Pick<Claim, "number" | "title" | "paper" | "measure">
  & { readonly seconds: number }
  & ({ readonly finding: Finding } | { readonly error: string });
