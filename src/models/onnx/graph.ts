/**
 * Builds an ONNX graph node by node and writes it as a model.
 *
 * Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (field numbers), operator set 17.
 *
 * @module
 */

import { Message } from "./protobuf.ts";

/** The operators' version: the first with LayerNormalization. */
const OPERATOR_SET = 17;
/** The file format's version that goes with it. */
const IR_VERSION = 8;
/** Where weights begin in a file of their own, so that they can be mapped into memory. */
const ALIGNMENT_BYTES = 4096;
/** Tensors below this size stay with the graph: shapes must be known without the other file. */
const LEAST_EXTERNAL_BYTES = 1024;

/** A value in a graph, by its name. */
export type Value = string & { readonly __value: unique symbol };

/** Types of values. */
export type ElementType = "float32" | "int64";

const DATA_TYPE: Record<ElementType, number> = { float32: 1, int64: 7 };

/** A size that is known, or the name of one that is not. */
export type Dimension = number | string;

/** What an operator is told besides its inputs: whole numbers, or one float as `{ float }`. */
export type Attributes = Readonly<Record<string, number | readonly number[] | { readonly float: number }>>;

/** Files of a model, by name; each in pieces. */
export type ModelFiles = ReadonlyMap<string, readonly Uint8Array[]>;

interface Initializer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: ElementType;
  readonly data: Uint8Array;
}

/** A graph that is being built. */
export class OnnxGraph {
  readonly #nodes: Message[] = [];
  readonly #inputs: Message[] = [];
  readonly #outputs: Message[] = [];
  readonly #initializers = new Map<string, Initializer>();
  #scope = "";

  /** Puts a name before the names of the nodes that `build` makes. */
  within<T>(scope: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = outer === "" ? scope : `${outer}.${scope}`;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  /** A value that whoever runs the model gives. */
  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    this.#inputs.push(valueInfo(name, type, shape));
    return name as Value;
  }

  /** A learned or constant tensor; the same name is the same tensor. */
  weight(name: string, shape: readonly number[], values: Float32Array): Value {
    return this.#initialize(
      name,
      shape,
      "float32",
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    );
  }

  /** A constant number. */
  scalar(value: number): Value {
    return this.weight(`number ${value}`, [], Float32Array.of(value));
  }

  /** Constant whole numbers, such as a shape. */
  integers(values: readonly number[]): Value {
    const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#initialize(`integers ${values.join(" ")}`, [values.length], "int64", data);
  }

  #initialize(name: string, shape: readonly number[], type: ElementType, data: Uint8Array): Value {
    if (!this.#initializers.has(name)) this.#initializers.set(name, { name, shape, type, data });
    return name as Value;
  }

  /** The result of an operator. */
  op(type: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    const name = `${this.#scope === "" ? "" : `${this.#scope}.`}${type}_${this.#nodes.length}` as Value;
    const node = new Message();
    for (const input of inputs) node.text(1, input);
    node.text(2, name).text(3, name).text(4, type);
    for (const [key, value] of Object.entries(attributes)) node.message(5, attribute(key, value));
    this.#nodes.push(node);
    return name;
  }

  /** Names a value as one of the model's results. */
  output(name: string, value: Value, shape: readonly Dimension[]): void {
    const node = new Message().text(1, value).text(2, name).text(3, name).text(4, "Identity");
    this.#nodes.push(node);
    this.#outputs.push(valueInfo(name, "float32", shape));
  }

  /**
   * The model as files.
   *
   * @param file name of the model's file; weights that go elsewhere are in a file of this name with `_data` behind it
   * @param options.externalAbove bytes of weights above which they go into a file of their own
   */
  model(
    file: string,
    { producer, description, externalAbove }: {
      producer: string;
      description: string;
      externalAbove: number;
    },
  ): ModelFiles {
    const initializers = [...this.#initializers.values()];
    const external = initializers.reduce((sum, { data }) => sum + data.length, 0) > externalAbove;
    const dataFile = `${file}_data`, data: Uint8Array[] = [];
    let offset = 0;
    const graph = new Message();
    for (const node of this.#nodes) graph.message(1, node);
    graph.text(2, "superbatch");
    for (const initializer of initializers) {
      if (!external || initializer.data.length < LEAST_EXTERNAL_BYTES) {
        graph.message(5, tensor(initializer).bytes(9, initializer.data));
        continue;
      }
      const { length } = initializer.data, padding = -offset & (ALIGNMENT_BYTES - 1);
      data.push(new Uint8Array(padding), initializer.data);
      offset += padding;
      graph.message(5, externalTensor(initializer, { location: dataFile, offset, length }));
      offset += length;
    }
    for (const input of this.#inputs) graph.message(11, input);
    for (const output of this.#outputs) graph.message(12, output);
    const model = new Message().integer(1, IR_VERSION).text(2, producer).text(6, description)
      .message(8, new Message().text(1, "").integer(2, OPERATOR_SET)).message(7, graph);
    return new Map([[file, model.parts], ...(external ? [[dataFile, data] as const] : [])]);
  }
}

function valueInfo(name: string, type: ElementType, shape: readonly Dimension[]): Message {
  const dimensions = new Message();
  for (const size of shape) {
    const dimension = new Message();
    dimensions.message(1, typeof size === "number" ? dimension.integer(1, size) : dimension.text(2, size));
  }
  const tensorType = new Message().integer(1, DATA_TYPE[type]).message(2, dimensions);
  return new Message().text(1, name).message(2, new Message().message(1, tensorType));
}

function attribute(name: string, value: number | readonly number[] | { readonly float: number }): Message {
  const FLOAT = 1, INT = 2, INTS = 7;
  const message = new Message().text(1, name);
  if (typeof value === "number") return message.integer(3, value).integer(20, INT);
  if ("float" in value) return message.float(2, value.float).integer(20, FLOAT);
  for (const item of value) message.integer(8, item);
  return message.integer(20, INTS);
}

/** A tensor without its elements. */
function tensor({ name, shape, type }: Initializer): Message {
  const message = new Message();
  for (const size of shape) message.integer(1, size);
  return message.integer(2, DATA_TYPE[type]).text(8, name);
}

function externalTensor(
  initializer: Initializer,
  place: { readonly location: string; readonly offset: number; readonly length: number },
): Message {
  const message = tensor(initializer), EXTERNAL = 1;
  for (const [key, value] of Object.entries(place)) {
    message.message(13, new Message().text(1, key).text(2, String(value)));
  }
  return message.integer(14, EXTERNAL);
}
