/**
 * Which tensor of another library holds which parameter, and moving numbers both ways by that.
 *
 * @module
 */

import { toFloat32 } from "../../storage/float_conversion.ts";
import type { SafetensorsTensor } from "../../storage/safetensors.ts";
import type { ParameterSpec } from "../parameters.ts";

/**
 * One tensor of another library and the parameter, or the part of one, that it holds:
 * - `copy`: the same elements
 * - `linear`: theirs is [out, in], ours [in, out]
 * - `convolution`: theirs is [D, 3, P, P], ours [P·P·3, D]
 */
export interface TensorMap {
  /** Name of the parameter. */
  readonly ours: string;
  /** Name of their tensor. */
  readonly theirs: string;
  /** Shape of their tensor. */
  readonly shape: readonly number[];
  readonly layout: "copy" | "linear" | "convolution";
  /** The rows of their tensor that are meant; all when left out. */
  readonly rows?: readonly [from: number, to: number];
  /** The axis that rows lie along, those before it having one element; 0 when left out. */
  readonly axis?: number;
  /** Where these begin in ours: a column of a linear layer, else an element; 0 when left out. */
  readonly at?: number;
  /** It is added to what another tensor gave; going back it is zero. */
  readonly added?: boolean;
}

/** Tensors by name, each with the file that it is from. */
export type NamedTensors = ReadonlyMap<string, SafetensorsTensor & { readonly file?: string }>;

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

/**
 * The parameters that tensors of another library hold.
 *
 * @param maps every tensor that the model needs
 * @param ignored whether a tensor that nothing needs may be there
 * @returns by name; those that no tensor holds are not among them
 * @throws TypeError that names the tensor and both shapes, where one is missing, of another shape or type, or too many
 */
export function importTensors(
  maps: readonly TensorMap[],
  specs: readonly ParameterSpec[],
  tensors: NamedTensors,
  architecture: string,
  ignored: (name: string) => boolean,
): Map<string, Float32Array<ArrayBuffer>> {
  const shapes = new Map(specs.map(({ name, shape }) => [name, shape]));
  const known = new Set(maps.map(({ theirs }) => theirs));
  const stray = [...tensors].find(([name]) => !known.has(name) && !ignored(name));
  if (stray) {
    const [name, { shape, file }] = stray;
    throw new TypeError(
      `These are no weights of ${architecture}: "${name}" [${shape}]${within(file)} has no place in it. ` +
        "Check that config.json belongs to them",
    );
  }
  const values = new Map<string, Float32Array<ArrayBuffer>>();
  for (const map of maps) {
    const tensor = tensors.get(map.theirs);
    if (!tensor || String(tensor.shape) !== String(map.shape)) {
      throw new TypeError(
        `These are no weights of ${architecture}: "${map.theirs}"${within(tensor?.file)} is ${
          tensor ? `[${tensor.shape}]` : "missing"
        }, expected [${map.shape}]. Check that config.json belongs to them`,
      );
    }
    const source = toFloat32(tensor, map.theirs), shape = shapes.get(map.ours)!;
    const target = values.getOrInsertComputed(map.ours, () => new Float32Array(size(shape)));
    walk(map, shape.at(-1)!, map.added ? (o, t) => target[o] += source[t] : (o, t) => target[o] = source[t]);
  }
  return values;
}

/** The tensors of another library that hold these parameters. */
export function exportTensors(
  maps: readonly TensorMap[],
  specs: readonly ParameterSpec[],
  parameters: ReadonlyMap<string, Float32Array>,
): Map<string, SafetensorsTensor> {
  const columns = new Map(specs.map(({ name, shape }) => [name, shape.at(-1)!]));
  const tensors = new Map<string, SafetensorsTensor & { dtype: "F32" }>();
  for (const map of maps) {
    const { theirs, shape, ours } = map;
    const { data } = tensors.getOrInsertComputed(theirs, () => ({
      dtype: "F32",
      shape,
      data: new Float32Array(size(shape)),
    }));
    const source = parameters.get(ours)!;
    if (!map.added) walk(map, columns.get(ours)!, (o, t) => data[t] = source[o]);
  }
  return tensors;
}

const within = (file: string | undefined) => file === undefined ? "" : ` in ${file}`;

/** Calls `visit` with the place in ours and in theirs of every element that a map covers. */
function walk(
  { shape, layout, axis = 0, rows: [from, to] = [0, shape[axis] ?? 1], at = 0 }: TensorMap,
  columns: number,
  visit: (ours: number, theirs: number) => void,
): void {
  const inner = size(shape.slice(axis + 1));
  switch (layout) {
    case "copy":
      for (let t = from * inner; t < to * inner; t++) visit(at + t - from * inner, t);
      break;
    case "linear":
      for (let row = from; row < to; row++) {
        for (let i = 0; i < inner; i++) visit(i * columns + at + row - from, row * inner + i);
      }
      break;
    case "convolution": {
      const [width, channels, side] = shape, area = side * side;
      for (let d = 0; d < width; d++) {
        for (let c = 0; c < channels; c++) {
          for (let place = 0; place < area; place++) {
            visit((place * channels + c) * width + d, (d * channels + c) * area + place);
          }
        }
      }
    }
  }
}
