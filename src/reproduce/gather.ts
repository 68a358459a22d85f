/**
 * One report of claims that were tried in several goes.
 *
 * @module
 */

import type { Reproduction } from "./report.ts";

/**
 * What a folder's results say of claims that are not tried now, with what came of those that are. Results with another scale,
 * other seeds or from another adapter are not mixed in.
 *
 * @param earlier what `results.json` held; anything else counts as nothing
 * @param describe the command that tries so many claims
 */
export function gather(
  earlier: unknown,
  now: Reproduction,
  describe: (claims: readonly number[]) => string,
): Reproduction {
  if (!isLike(earlier, now)) return now;
  const tried = new Set(now.claims.map(({ number }) => number));
  const claims = [...earlier.claims.filter(({ number }) => !tried.has(number)), ...now.claims]
    .toSorted((a, b) => a.number - b.number);
  return {
    ...now,
    claims,
    command: describe(claims.map(({ number }) => number)),
    seconds: claims.reduce((sum, { seconds }) => sum + seconds, 0),
    attributions: [...new Set([...earlier.attributions, ...now.attributions])],
  };
}

function isLike(earlier: unknown, now: Reproduction): earlier is Reproduction {
  const { scale, seeds, adapter, claims, attributions } = Object(earlier) as Partial<Reproduction>;
  return scale === now.scale && adapter === now.adapter && String(seeds) === String(now.seeds) &&
    Array.isArray(claims) && Array.isArray(attributions);
}
