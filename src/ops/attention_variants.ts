/**
 * The kernels that can compute an attention, and the blocks that they work in.
 *
 * @module
 */

import type { AdapterTraits } from "../gpu/device.ts";

/** What a choice between variants needs to know of an adapter. */
type AttentionTraits = Pick<AdapterTraits, "software" | "workgroupBytes" | "workgroupInvocations">;

/**
 * How an attention is computed:
 * - `direct`: one invocation a query or key, straight from memory; for adapters without fast workgroup memory
 * - `tiled`: blocks in workgroup memory, within the 16 KiB that every adapter has
 * - `tiled-large`: the same in larger blocks, for adapters with up to 48 KiB
 * - `single-query`: a workgroup for the one query that all examples share, such as a pooling head's
 */
export type AttentionVariantName = "direct" | "tiled" | "tiled-large" | "single-query";

/** A way to compute an attention, and what it asks of the adapter. */
export interface AttentionVariant {
  readonly name: AttentionVariantName;
  /** Workgroup memory of its largest kernel. */
  readonly workgroupBytes: number;
  /** Invocations of its largest workgroup. */
  readonly invocations: number;
}

/** What decides which kernels can compute an attention. */
export interface AttentionGeometry {
  readonly queries: number;
  readonly keys: number;
  /** Columns of one head. */
  readonly headWidth: number;
  /** Every example uses the same queries. */
  readonly sharedQueries: boolean;
  /** The one query of an example is its last row. */
  readonly lastQuery?: boolean;
}

/** Rows that a workgroup owns, and rows of the tile that it walks. */
export interface AttentionBlock {
  readonly BLOCK: number;
  readonly TILE: number;
}

/** Lanes that share 4 rows of a block. */
export const TEAM = 8;
/** Invocations of a single-query workgroup. */
export const SINGLE_QUERY_WORKGROUP = 64;
/** Bytes of workgroup memory that a tiled variant may use. */
const BUDGET = { "tiled": 16 * 1024, "tiled-large": 48 * 1024 } as const;

// By size; a larger block reads less, a wider tile reuses more of what was read.
const blocks: readonly AttentionBlock[] = [
  { BLOCK: 64, TILE: 32 },
  { BLOCK: 64, TILE: 16 },
  { BLOCK: 32, TILE: 32 },
  { BLOCK: 32, TILE: 16 },
  { BLOCK: 32, TILE: 8 },
  { BLOCK: 16, TILE: 16 },
  { BLOCK: 16, TILE: 8 },
  { BLOCK: 8, TILE: 8 },
];

/** A name of a tiled variant. */
export type TiledName = keyof typeof BUDGET;
/** The three kernels of a tiled variant. */
export type TiledPass = "forward" | "backward_query" | "backward_key";

/** Workgroup memory of a tiled kernel: 16-byte vectors as its WGSL declares them. */
function tiledBytes(pass: TiledPass, headWidth: number, { BLOCK, TILE }: AttentionBlock): number {
  const teams = BLOCK / 4, vectors = headWidth / 4, stride = vectors + 1 + vectors % 2;
  const blockVectors = (pass === "forward" ? 1 : 2) * headWidth * teams;
  const partials = pass === "forward" ? TEAM * teams : 0;
  return 16 * (blockVectors + TILE * stride + TILE * teams + partials);
}

/** Vectors that a tiled kernel's inner loops take at once: the largest divisor of a row's up to 4. */
export function chunkVectors(headWidth: number): number {
  return [4, 3, 2, 1].find((chunk) => headWidth / 4 % chunk === 0)!;
}

/** The block of a tiled kernel: the largest that fits and is not mostly empty, or undefined when none fits. */
export function tiledBlock(
  variant: TiledName,
  pass: TiledPass,
  { queries, keys, headWidth }: AttentionGeometry,
): AttentionBlock | undefined {
  const [owned, walked] = pass === "backward_key" ? [keys, queries] : [queries, keys];
  const filled = (size: number, rows: number) => size === 8 || size < 2 * rows;
  return blocks.find((block) =>
    filled(block.BLOCK, owned) && filled(block.TILE, walked) &&
    tiledBytes(pass, headWidth, block) <= BUDGET[variant]
  );
}

/**
 * All variants that can compute an attention.
 *
 * An adapter can run those whose `workgroupBytes` and `invocations` are within its limits; all but `tiled-large` are
 * within every browser's.
 *
 * @param geometry numbers of queries and keys, and the head width, a multiple of 4
 */
export function attentionVariants(geometry: AttentionGeometry): readonly AttentionVariant[] {
  const { queries, sharedQueries, headWidth } = geometry;
  const direct: AttentionVariant = { name: "direct", workgroupBytes: 0, invocations: 64 };
  if (geometry.lastQuery) return [direct]; // tiles would be empty but for one row, and the other kernel shares its query
  if (queries === 1 && sharedQueries && headWidth <= 4 * SINGLE_QUERY_WORKGROUP) {
    const vectorBytes = 16 * (2 * headWidth / 4 + SINGLE_QUERY_WORKGROUP);
    const workgroupBytes = vectorBytes + 4 * (3 * SINGLE_QUERY_WORKGROUP + 8);
    // Tiles would be empty but for one row.
    return [{ name: "single-query", workgroupBytes, invocations: SINGLE_QUERY_WORKGROUP }, direct];
  }
  const variants = [direct];
  let smaller = "";
  for (const name of ["tiled", "tiled-large"] as const) {
    const passes = ["forward", "backward_query", "backward_key"] as const;
    const found = passes.map((pass) => tiledBlock(name, pass, geometry));
    if (found.some((block) => !block) || JSON.stringify(found) === smaller) continue;
    smaller = JSON.stringify(found);
    variants.push({
      name,
      workgroupBytes: Math.max(...found.map((block, at) => tiledBytes(passes[at], headWidth, block!))),
      invocations: Math.max(...found.map((block) => block!.BLOCK / 4 * TEAM)),
    });
  }
  return variants;
}

/**
 * The variants that an adapter should try, the one to use when nothing was measured first: `single-query` where there
 * is one query for all, else the largest tiles that it holds. A software adapter keeps workgroup memory in main memory
 * and pays for every barrier, so there it is `direct` alone.
 */
export function rankedAttentionVariants(
  geometry: AttentionGeometry,
  { software, workgroupBytes, workgroupInvocations }: AttentionTraits,
): readonly AttentionVariantName[] {
  const fitting = attentionVariants(geometry)
    .filter((variant) =>
      variant.workgroupBytes <= workgroupBytes && variant.invocations <= workgroupInvocations
    )
    .map(({ name }) => name);
  const order: readonly AttentionVariantName[] = ["single-query", "tiled-large", "tiled", "direct"];
  return order.filter((name) => fitting.includes(name) && (!software || name === "direct"));
}
