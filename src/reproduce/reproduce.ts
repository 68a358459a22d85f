/**
 * `superbatch reproduce`: the claims of JEST's paper, tried one after another.
 *
 * @module
 */

import { cacheFolder } from "../data/cache.ts";
import { InterruptedError } from "../run/arm.ts";
import type { RunHooks } from "../run/hooks.ts";
import { openTuned } from "../run/tuning.ts";
import type { Claim, ClaimResult } from "./claim.ts";
import { costClaims } from "./claims/costs.ts";
import { extensionClaims } from "./claims/extensions.ts";
import { referenceClaims } from "./claims/references.ts";
import { selectionClaims } from "./claims/selection.ts";
import { sifting } from "./claims/sifting.ts";
import { trainingClaims } from "./claims/training.ts";
import { Lab } from "./lab.ts";
import type { Reproduction } from "./report.ts";
import type { Scale } from "./scales.ts";

/** All claims, by number. */
export const claims: readonly Claim[] = [
  ...selectionClaims,
  ...trainingClaims,
  ...costClaims,
  ...referenceClaims,
  ...extensionClaims,
  sifting,
]
  .toSorted((a, b) => a.number - b.number);

/** What to reproduce. */
export interface ReproduceOptions {
  /** Numbers of the claims. */
  readonly claims: readonly number[];
  readonly scale: Scale;
  readonly seeds: readonly number[];
  /** Where results of arms are kept, so that a reproduction that was stopped goes on where it was. */
  readonly folder: string;
  readonly cache?: string;
  /** The command that makes it again. */
  readonly command: string;
}

/**
 * Tries claims; one that fails is reported as failed, and the others are tried all the same.
 *
 * @param onResult is told each result as it comes
 * @throws {InterruptedError} when the run was asked to stop
 * @throws {NoAdapterError} when there is no adapter
 */
export async function reproduce(
  { claims: wanted, scale, seeds, folder, cache, command }: ReproduceOptions,
  hooks: RunHooks,
  onResult: (result: ClaimResult, soFar: Reproduction) => Promise<void>,
): Promise<Reproduction> {
  using device = await openTuned(cache);
  hooks.log(`Adapter: ${device.adapter.description}`);
  using lab = new Lab(device, scale, seeds, folder, hooks, cacheFolder(cache));
  const results: ClaimResult[] = [], started = performance.now();
  const soFar = (): Reproduction => ({
    adapter: device.adapter.description,
    date: new Date().toISOString(),
    scale: scale.name,
    seeds,
    command,
    seconds: (performance.now() - started) / 1000,
    claims: results,
    attributions: lab.attributions,
  });
  for (const claim of claims.filter(({ number }) => wanted.includes(number))) {
    const { number, title, paper, measure } = claim, from = performance.now();
    const seconds = () => (performance.now() - from) / 1000;
    let result: ClaimResult;
    try {
      const finding = await claim.run(lab);
      result = { number, title, paper, measure, seconds: seconds(), finding };
    } catch (error) {
      if (error instanceof InterruptedError) throw error;
      result = { number, title, paper, measure, seconds: seconds(), error: (error as Error).message };
    }
    results.push(result);
    await onResult(result, soFar());
  }
  return soFar();
}
