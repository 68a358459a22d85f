/** Runs an ONNX model in float64: the operators that `src/models/onnx` writes, by their definitions. */
import { all, fields, integers, texts } from "./protobuf_reader.ts";

/** A tensor in row-major order. */
export interface OnnxTensor {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

type Attributes = Map<string, number | number[]>;

const size = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);

/** Runs a model; `external` are the bytes of its `_data` file. */
export function runOnnx(
  model: Uint8Array,
  inputs: Readonly<Record<string, OnnxTensor>>,
  external: Uint8Array = new Uint8Array(),
): Record<string, OnnxTensor> {
  const [graph] = all(model, 7);
  const values = new Map<string, OnnxTensor>(Object.entries(inputs));
  for (const initializer of all(graph, 5)) {
    values.set(texts(initializer, 8)[0], readTensor(initializer, external));
  }
  for (const node of all(graph, 1)) {
    const attributes: Attributes = new Map(
      all(node, 5).map((attribute) => {
        const found = fields(attribute), list = integers(attribute, 8);
        const float = found.find(({ number }) => number === 2)?.bytes;
        const value = float
          ? new DataView(float.slice().buffer).getFloat32(0, true)
          : integers(attribute, 3)[0];
        return [texts(attribute, 1)[0], list.length > 0 ? list : value];
      }),
    );
    const [type] = texts(node, 4), operator = operators[type];
    if (!operator) throw new Error(`operator ${type}`);
    const operands = texts(node, 1).map((name) => {
      const value = values.get(name);
      if (!value) throw new Error(`${type} reads "${name}", which nothing has made`);
      return value;
    });
    values.set(texts(node, 2)[0], operator(operands, attributes));
  }
  return Object.fromEntries(
    all(graph, 12).map((output) => {
      const [name] = texts(output, 1);
      return [name, values.get(name)!];
    }),
  );
}

function readTensor(message: Uint8Array, external: Uint8Array): OnnxTensor {
  const shape = integers(message, 1), [type] = integers(message, 2);
  const place = new Map(all(message, 13).map((entry) => [texts(entry, 1)[0], Number(texts(entry, 2)[0])]));
  const from = place.get("offset") ?? 0;
  const bytes = place.size > 0
    ? external.slice(from, from + place.get("length")!)
    : all(message, 9)[0].slice();
  const data = type === 7
    ? Array.from(new BigInt64Array(bytes.buffer), Number)
    : new Float32Array(bytes.buffer);
  if (data.length !== size(shape)) throw new Error(`[${shape}] with ${data.length} elements`);
  return { shape, data };
}

/** Applies a function to two tensors whose shapes are broadcast. */
function elementwise(apply: (a: number, b: number) => number) {
  return ([a, b]: OnnxTensor[]): OnnxTensor => {
    const rank = Math.max(a.shape.length, b.shape.length);
    const pad = ({ shape }: OnnxTensor) => [...new Array<number>(rank - shape.length).fill(1), ...shape];
    const [left, right] = [pad(a), pad(b)], shape = left.map((side, axis) => Math.max(side, right[axis]));
    const at = (own: number[], index: number[]) =>
      own.reduce((sum, side, axis) => sum * side + (side === 1 ? 0 : index[axis]), 0);
    return {
      shape,
      data: places(shape).map((index) => apply(a.data[at(left, index)], b.data[at(right, index)])),
    };
  };
}

const each = (apply: (x: number) => number) => ([{ shape, data }]: OnnxTensor[]): OnnxTensor => ({
  shape,
  data: Array.from(data, apply),
});

/** Every index of a shape, in order. */
function places(shape: readonly number[]): number[][] {
  return Array.from({ length: size(shape) }, (_, flat) => {
    const index = new Array<number>(shape.length);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = flat % shape[axis];
      flat = Math.floor(flat / shape[axis]);
    }
    return index;
  });
}

/** Applies a function to every row along the last axis. */
function rows(x: OnnxTensor, apply: (row: number[]) => number[]): number[] {
  const width = x.shape.at(-1)!;
  return Array.from(
    { length: size(x.shape) / width },
    (_, row) => apply(Array.from({ length: width }, (_, column) => x.data[row * width + column])),
  ).flat();
}

function matmul([a, b]: OnnxTensor[]): OnnxTensor {
  const [m, k] = a.shape.slice(-2), [inner, n] = b.shape.slice(-2);
  if (k !== inner) throw new Error(`[${a.shape}] by [${b.shape}]`);
  // Broadcasting of the batch axes, by adding the numbers of the matrices.
  const number = (shape: readonly number[]) => ({
    shape: shape.slice(0, -2),
    data: Array.from({ length: size(shape.slice(0, -2)) }, (_, at) => at),
  });
  const zero = (shape: readonly number[]) => ({ ...number(shape), data: number(shape).data.map(() => 0) });
  const left = elementwise((x, y) => x + y)([number(a.shape), zero(b.shape)]);
  const right = elementwise((x, y) => x + y)([zero(a.shape), number(b.shape)]);
  const data: number[] = [];
  for (let batch = 0; batch < left.data.length; batch++) {
    const from = left.data[batch] * m * k, other = right.data[batch] * k * n;
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += a.data[from + row * k + i] * b.data[other + i * n + column];
        data.push(sum);
      }
    }
  }
  return { shape: [...left.shape, m, n], data };
}

const operators: Record<string, (operands: OnnxTensor[], attributes: Attributes) => OnnxTensor> = {
  Add: elementwise((a, b) => a + b),
  Mul: elementwise((a, b) => a * b),
  Div: elementwise((a, b) => a / b),
  Tanh: each(Math.tanh),
  Sigmoid: each((x) => 1 / (1 + Math.exp(-x))),
  Erf: each(erf),
  Exp: each(Math.exp),
  Identity: ([x]) => x,
  MatMul: matmul,
  Reshape: ([x, { data }]) => ({
    shape: Array.from(data, (side, axis) => side === 0 ? x.shape[axis] : side),
    data: x.data,
  }),
  Transpose([x], attributes) {
    const perm = attributes.get("perm") as number[], shape = perm.map((axis) => x.shape[axis]);
    const data = places(shape).map((index) => {
      const own = new Array<number>(index.length);
      perm.forEach((axis, at) => own[axis] = index[at]);
      return x.data[own.reduce((sum, place, axis) => sum * x.shape[axis] + place, 0)];
    });
    return { shape, data };
  },
  Softmax: ([x]) => ({
    shape: x.shape,
    data: rows(x, (row) => {
      const most = Math.max(...row), raised = row.map((value) => Math.exp(value - most));
      const sum = raised.reduce((a, b) => a + b);
      return raised.map((value) => value / sum);
    }),
  }),
  LayerNormalization: ([x, weight, bias], attributes) => ({
    shape: x.shape,
    data: rows(x, (row) => {
      const mean = row.reduce((a, b) => a + b) / row.length;
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
      const scale = 1 / Math.sqrt(variance + (attributes.get("epsilon") as number));
      return row.map((value, at) => (value - mean) * scale * weight.data[at] + bias.data[at]);
    }),
  }),
  ReduceL2: ([x]) => ({ shape: [...x.shape.slice(0, -1), 1], data: rows(x, (row) => [Math.hypot(...row)]) }),
  Gather([x, index], attributes) {
    const axis = attributes.get("axis") as number, inner = size(x.shape.slice(axis + 1));
    const outer = size(x.shape.slice(0, axis)), data: number[] = [];
    for (let at = 0; at < outer; at++) {
      for (let pick = 0; pick < index.data.length; pick++) {
        const from = (at * x.shape[axis] + index.data[pick]) * inner;
        for (let i = 0; i < inner; i++) data.push(x.data[from + i]);
      }
    }
    return { shape: [...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)], data };
  },
  Equal: elementwise((a, b) => Number(a === b)),
  Cast: ([x]) => x,
  Shape([{ shape }], attributes) {
    const sides = shape.slice(attributes.get("start") as number, attributes.get("end") as number);
    return { shape: [sides.length], data: sides };
  },
  Expand: ([x, { data }]) =>
    elementwise((a) => a)([x, { shape: Array.from(data), data: new Float64Array(size(Array.from(data))) }]),
  Concat(parts, attributes) {
    const axis = attributes.get("axis") as number, outer = size(parts[0].shape.slice(0, axis));
    const data = Array.from({ length: outer }, (_, at) =>
      parts.flatMap(({ shape, data }) => {
        const length = size(shape.slice(axis));
        return Array.from(data).slice(at * length, (at + 1) * length);
      })).flat();
    const shape = parts[0].shape.with(axis, parts.reduce((sum, part) => sum + part.shape[axis], 0));
    return { shape, data };
  },
  /** Along the last axis, the first of equals. */
  ArgMax: ([x]) => ({ shape: x.shape.with(-1, 1), data: rows(x, (row) => [row.indexOf(Math.max(...row))]) }),
  /** One row of every example. */
  GatherND: ([x, index]) => ({
    shape: [x.shape[0], x.shape[2]],
    data: Array.from(index.data, (place, example) => {
      const from = (example * x.shape[1] + place) * x.shape[2];
      return Array.from(x.data).slice(from, from + x.shape[2]);
    }).flat(),
  }),
  /** Patches that do not overlap. */
  Conv([x, kernel, bias], attributes) {
    const [side] = attributes.get("strides") as number[], [examples, channels, height] = x.shape;
    const width = kernel.shape[0], grid = Math.floor(height / side);
    const shape = [examples, width, grid, grid];
    const data = places(shape).map(([example, column, top, left]) => {
      let sum = bias?.data[column] ?? 0;
      for (let channel = 0; channel < channels; channel++) {
        for (let y = 0; y < side; y++) {
          for (let z = 0; z < side; z++) {
            const pixel = ((example * channels + channel) * height + top * side + y) * height + left * side +
              z;
            sum += x.data[pixel] * kernel.data[((column * channels + channel) * side + y) * side + z];
          }
        }
      }
      return sum;
    });
    return { shape, data };
  },
};

/** By its series, which is enough for a test's arguments. */
function erf(x: number): number {
  let term = x, sum = x;
  for (let n = 1; n < 200; n++) {
    term *= -x * x / n;
    sum += term / (2 * n + 1);
  }
  return Math.abs(x) > 5 ? Math.sign(x) : 2 / Math.sqrt(Math.PI) * sum;
}
