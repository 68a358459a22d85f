/**
 * The kernels that a matrix product can run on, and which to take where nothing was measured.
 *
 * @module
 */

import type { AdapterTraits } from "../gpu/device.ts";
import { matmulDirect, matmulScalar, matmulSubgroup, matmulTiled } from "../gpu/shaders.gen.ts";

import type { DType } from "../graph/tensor.ts";

/** A matrix product: C [M, N] sums over K, `batch` times. */
export interface MatmulShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** How the operands are stored; f32 when left out. */
  readonly dtypes?: readonly [a: DType, b: DType];
}

/** A kernel with its constants, and what one workgroup computes. */
export interface MatmulVariant {
  /** Such as `tiled 128×128×8 by 8×8, packed, k in 4`. */
  readonly name: string;
  readonly shader: typeof matmulScalar | typeof matmulDirect | typeof matmulSubgroup | typeof matmulTiled;
  readonly constants: { readonly [name: string]: number | boolean };
  /** Aliases of the text that stand for half precision. */
  readonly halved?: readonly string[];
  /** Rows and columns of C that a workgroup computes. */
  readonly tile: readonly [rows: number, columns: number];
  /** Parts that k is cut into, each summed by workgroups of its own and added afterwards. */
  readonly splits: number;
}

function scalar(): MatmulVariant {
  const constants = { ROWS: 4, COLUMNS: 4, GROUP_ROWS: 8, GROUP_COLUMNS: 8 };
  return { name: "scalar", shader: matmulScalar, constants, tile: [32, 32], splits: 1 };
}

function direct(rows: number, columns: number, groupRows: number, groupColumns: number): MatmulVariant {
  return {
    name: `direct ${rows}×${columns} by ${groupRows}×${groupColumns}`,
    shader: matmulDirect,
    constants: { ROWS: rows, COLUMNS: columns, GROUP_ROWS: groupRows, GROUP_COLUMNS: groupColumns },
    tile: [rows * groupRows, columns * groupColumns],
    splits: 1,
  };
}

function subgroup(lanes: number, rows: number, columns: number): MatmulVariant {
  return {
    name: `subgroup ${rows}×${columns} by ${lanes}`,
    shader: matmulSubgroup,
    constants: { LANES: lanes, ROWS: rows, COLUMNS: columns },
    tile: [rows, columns * lanes],
    splits: 1,
  };
}

function tiled(
  rows: number,
  columns: number,
  groupRows: number,
  groupColumns: number,
  inner: number,
): MatmulVariant {
  return {
    name: `tiled ${rows * groupRows}×${columns * groupColumns}×${inner} by ${rows}×${columns}`,
    shader: matmulTiled,
    constants: {
      ROWS: rows,
      COLUMNS: columns,
      GROUP_ROWS: groupRows,
      GROUP_COLUMNS: groupColumns,
      TILE_K: inner,
    },
    tile: [rows * groupRows, columns * groupColumns],
    splits: 1,
  };
}

/** The same kernel that multiplies, and adds a tile's products, in half precision. */
function packed(variant: MatmulVariant): MatmulVariant {
  const constants = { ...variant.constants, PACKED: true };
  return { ...variant, name: `${variant.name}, packed`, constants, halved: ["Packed"] };
}

/** The same kernel with k cut into parts, for products with few tiles and a long sum. */
function split(variant: MatmulVariant, splits: number): MatmulVariant {
  return { ...variant, name: `${variant.name}, k in ${splits}`, splits };
}

/** Whether every inner length is a multiple of 4, so that operands can be read in vectors. */
function inVectors({ m, n, k, transposeA }: MatmulShape): boolean {
  return n % 4 === 0 && k % 4 === 0 && (!transposeA || m % 4 === 0);
}

/** Workgroups that keep a large GPU busy. */
const BUSY_GROUPS = 256;
/** Products above this size have tiles enough, and their parts would cost memory. */
const MOST_SPLIT_ELEMENTS = 2 ** 20;
/** Values of k that are worth a part of their own. */
const LEAST_SHARE = 128;

function fits({ shader, constants }: MatmulVariant, traits: AdapterTraits): boolean {
  if (shader !== matmulTiled) return true;
  const { ROWS, COLUMNS, GROUP_ROWS, GROUP_COLUMNS, TILE_K } = constants as Record<string, number>;
  return GROUP_ROWS * GROUP_COLUMNS <= traits.workgroupInvocations &&
    (ROWS * GROUP_ROWS + COLUMNS * GROUP_COLUMNS) * TILE_K * 4 <= traits.workgroupBytes;
}

/**
 * The variants that a tuner should try for a product, the default first.
 *
 * On a software adapter a read costs far more than a multiply-add and workgroup memory is memory like any other, so
 * there the subgroup kernel comes first. On a GPU the tile that still gives every core work does.
 *
 * @param splittable whether k may be cut: nothing but an addend of C's own size may follow
 */
export function matmulVariants(
  shape: MatmulShape,
  traits: AdapterTraits,
  splittable: boolean,
): readonly MatmulVariant[] {
  if (!inVectors(shape)) return [scalar()];
  const { software, subgroupSize } = traits;
  if (software) {
    const subgroups = subgroupSize === null
      ? []
      : [[32, 4], [16, 4], [64, 4], [32, 8]].filter(([rows]) => rows % subgroupSize === 0)
        .map(([rows, columns]) => subgroup(subgroupSize, rows, columns));
    return [...subgroups, direct(8, 8, 8, 4), direct(16, 16, 1, 8)];
  }
  const tiles = [
    tiled(8, 8, 16, 16, 8),
    tiled(8, 8, 8, 16, 16),
    tiled(8, 8, 8, 8, 16),
    tiled(4, 4, 8, 8, 16),
  ];
  const groupsOf = ({ tile: [rows, columns] }: MatmulVariant) =>
    Math.ceil(shape.m / rows) * Math.ceil(shape.n / columns) * shape.batch;
  const cuts = (variant: MatmulVariant) => {
    const most = Math.floor(shape.k / LEAST_SHARE), groups = groupsOf(variant);
    const wanted = Math.min(most, Math.ceil(BUSY_GROUPS / groups));
    const can = splittable && shape.batch === 1 && shape.m * shape.n <= MOST_SPLIT_ELEMENTS;
    return can && wanted > 1 ? [split(variant, wanted)] : [];
  };
  const fitting = tiles.filter((variant) => fits(variant, traits));
  const busy = fitting.find((variant) => groupsOf(variant) >= BUSY_GROUPS) ?? fitting.at(-1)!;
  const preferred = cuts(busy)[0] ?? busy;
  // Never the default: it rounds every product, and how fast it is differs more than tiles do.
  const halves = traits.halfPrecision && shape.dtypes?.every((dtype) => dtype === "f16");
  const others = [
    ...fitting.flatMap((variant) => [variant, ...cuts(variant)]),
    ...(halves ? fitting.map(packed) : []),
    tiled(8, 8, 16, 16, 16),
    direct(8, 8, 8, 8),
    direct(4, 8, 16, 8),
  ].filter((variant) => fits(variant, traits) && variant.name !== preferred.name);
  return [preferred, ...others];
}
