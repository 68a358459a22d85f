/**
 * The towers as ONNX operators, from the parameters as checkpoints hold them.
 *
 * Shapes: B batch, I side of a picture, P of a patch, N patches, T tokens, D width, H heads, K head width, E embedding.
 *
 * @module
 */

import type { TextConfig, TowerConfig, VisionConfig } from "../config.ts";
import type { OnnxGraph, Value } from "./graph.ts";

/** A parameter on the host. */
export interface HostParameter {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** The learned numbers of a model, by name. */
export type HostParameters = ReadonlyMap<string, HostParameter>;

const NORM_EPSILON = 1e-6, UNIT_EPSILON = 1e-8;

/** Builds modules whose weights are looked up by name. */
export class TowerBuilder {
  constructor(readonly graph: OnnxGraph, readonly parameters: HostParameters) {}

  #values(name: string): HostParameter {
    const parameter = this.parameters.get(name);
    if (!parameter) throw new TypeError(`The model has no parameter "${name}"`);
    return parameter;
  }

  /** A parameter as it is stored. */
  weight(name: string): Value {
    const { shape, data } = this.#values(name);
    return this.graph.weight(name, shape, data);
  }

  /** Columns `from` to `to` of a linear layer: x·W + b. */
  linear(name: string, x: Value, [from, to]: readonly [number, number] | [] = []): Value {
    const weight = this.#values(`${name}.weight`), bias = this.#values(`${name}.bias`);
    const { graph } = this;
    if (from === undefined || to === undefined) {
      return graph.op("Add", [
        graph.op("MatMul", [x, this.weight(`${name}.weight`)]),
        this.weight(`${name}.bias`),
      ]);
    }
    const [rows, columns] = weight.shape, part = `columns ${from} to ${to}`;
    const kept = new Float32Array(rows * (to - from));
    for (let row = 0; row < rows; row++) {
      kept.set(weight.data.subarray(row * columns + from, row * columns + to), row * (to - from));
    }
    return graph.op("Add", [
      graph.op("MatMul", [x, graph.weight(`${name}.weight, ${part}`, [rows, to - from], kept)]),
      graph.weight(`${name}.bias, ${part}`, [to - from], bias.data.subarray(from, to)),
    ]);
  }

  /** Layer norm over the last axis. */
  norm(name: string, x: Value): Value {
    const weights = [this.weight(`${name}.weight`), this.weight(`${name}.bias`)];
    return this.graph.op("LayerNormalization", [x, ...weights], {
      axis: -1,
      epsilon: { float: NORM_EPSILON },
    });
  }

  /** GELU by its tanh approximation: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))). */
  gelu(x: Value): Value {
    const { graph } = this;
    const cube = graph.op("Mul", [graph.op("Mul", [x, x]), x]);
    const inner = graph.op("Add", [x, graph.op("Mul", [cube, graph.scalar(0.044715)])]);
    const tanh = graph.op("Tanh", [graph.op("Mul", [inner, graph.scalar(Math.sqrt(2 / Math.PI))])]);
    const gate = graph.op("Mul", [graph.op("Add", [tanh, graph.scalar(1)]), graph.scalar(0.5)]);
    return graph.op("Mul", [x, gate]);
  }

  /** x + mlp(norm(x)). */
  residualMlp(norm: string, mlp: string, x: Value): Value {
    const hidden = this.gelu(this.linear(`${mlp}.in`, this.norm(norm, x)));
    return this.graph.op("Add", [x, this.linear(`${mlp}.out`, hidden)]);
  }

  /** Splits [B, T, D] into heads: [B, H, T, K], or [B, H, K, T] for keys. */
  #heads(x: Value, { width, heads }: TowerConfig, keys = false): Value {
    const { graph } = this;
    const split = graph.op("Reshape", [x, graph.integers([0, 0, heads, width / heads])]);
    return graph.op("Transpose", [split], { perm: keys ? [0, 2, 3, 1] : [0, 2, 1, 3] });
  }

  /**
   * softmax(q·kᵀ / √K)·v
   *
   * @param q [B, Tq, D], or [1, Tq, D] shared by all examples
   * @param k [B, Tk, D]
   * @param v [B, Tk, D]
   * @returns [B, Tq, D]
   */
  attention(config: TowerConfig, q: Value, k: Value, v: Value): Value {
    const { graph } = this, { width, heads } = config;
    const products = graph.op("MatMul", [this.#heads(q, config), this.#heads(k, config, true)]);
    const scores = graph.op("Mul", [products, graph.scalar(1 / Math.sqrt(width / heads))]);
    const mixed = graph.op("MatMul", [graph.op("Softmax", [scores], { axis: -1 }), this.#heads(v, config)]);
    const joined = graph.op("Transpose", [mixed], { perm: [0, 2, 1, 3] });
    return graph.op("Reshape", [joined, graph.integers([0, 0, width])]);
  }

  /** A stack of blocks: x + attention(norm(x)), then x + mlp(norm(x)). */
  transformer(tower: string, config: TowerConfig, x: Value): Value {
    const { width, depth } = config;
    for (let index = 0; index < depth; index++) {
      const name = `${tower}.block.${index}`, input = x;
      x = this.graph.within(name, () => {
        const normed = this.norm(`${name}.norm1`, input);
        const [q, k, v] = [0, 1, 2].map((part) =>
          this.linear(`${name}.attention.qkv`, normed, [part * width, (part + 1) * width])
        );
        const attended = this.linear(`${name}.attention.out`, this.attention(config, q, k, v));
        return this.residualMlp(`${name}.norm2`, `${name}.mlp`, this.graph.op("Add", [input, attended]));
      });
    }
    return x;
  }

  /** Rows of unit length: y / (‖y‖ + 1e-8). */
  unit(y: Value): Value {
    const { graph } = this;
    const length = graph.op("ReduceL2", [y], { axes: [-1], keepdims: 1 });
    return graph.op("Div", [y, graph.op("Add", [length, graph.scalar(UNIT_EPSILON)])]);
  }

  /**
   * Pictures to embeddings, not yet of unit length.
   *
   * @param pixels [B, 3, I, I], from −1 to 1
   * @returns [B, E]
   */
  vision(config: VisionConfig, pixels: Value): Value {
    const { graph } = this, { width, imageSize, patchSize, pool } = config;
    const patches = (imageSize / patchSize) ** 2;
    const embedded = graph.within("image.patch", () => {
      const kernel = this.#patchKernel(patchSize, width);
      const sides = [patchSize, patchSize];
      const grid = graph.op("Conv", [pixels, kernel, this.weight("image.patch.bias")], {
        kernel_shape: sides,
        strides: sides,
      });
      const flat = graph.op("Reshape", [grid, graph.integers([0, width, patches])]);
      const tokens = graph.op("Transpose", [flat], { perm: [0, 2, 1] });
      return graph.op("Add", [tokens, this.weight("image.position")]);
    });
    const tokens = this.norm("image.norm", this.transformer("image", config, embedded));
    return graph.within(
      "image.pool",
      () => pool === "flatten" ? this.#flatten(config, tokens) : this.#map(config, tokens),
    );
  }

  /** The stored kernel [P·P·3, D], rows (row, column, channel), as a convolution's [D, 3, P, P]. */
  #patchKernel(side: number, width: number): Value {
    const { data } = this.#values("image.patch.kernel");
    const kernel = new Float32Array(data.length), pixels = side * side;
    for (let pixel = 0; pixel < pixels; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        const row = (pixel * 3 + channel) * width;
        for (let column = 0; column < width; column++) {
          kernel[(column * 3 + channel) * pixels + pixel] = data[row + column];
        }
      }
    }
    return this.graph.weight("image.patch.kernel", [width, 3, side, side], kernel);
  }

  /** One linear layer over all tokens. */
  #flatten({ width, imageSize, patchSize }: VisionConfig, tokens: Value): Value {
    const length = (imageSize / patchSize) ** 2 * width;
    return this.linear("image.pool", this.graph.op("Reshape", [tokens, this.graph.integers([0, length])]));
  }

  /** SigLIP's attention-pooling head: one learned query, then a residual MLP. */
  #map(config: VisionConfig, tokens: Value): Value {
    const { graph } = this, { width } = config;
    const { data } = this.#values("image.pool.probe");
    const probe = graph.weight("image.pool.probe", [1, 1, width], data);
    const attended = this.attention(
      config,
      this.linear("image.pool.q", probe),
      this.linear("image.pool.kv", tokens, [0, width]),
      this.linear("image.pool.kv", tokens, [width, 2 * width]),
    );
    const pooled = graph.op("Reshape", [attended, graph.integers([0, width])]);
    return this.residualMlp("image.pool.norm", "image.pool.mlp", this.linear("image.pool.out", pooled));
  }

  /**
   * Captions to embeddings, not yet of unit length.
   *
   * @param ids [B, T]
   * @returns [B, E]
   */
  text(config: TextConfig, ids: Value): Value {
    const { graph } = this;
    const rows = graph.op("Gather", [this.weight("text.token"), ids], { axis: 0 });
    const x = this.transformer("text", config, graph.op("Add", [rows, this.weight("text.position")]));
    // The last token is the caption's; the norm works row by row.
    const last = graph.op("Gather", [x, graph.integers([config.tokens - 1])], { axis: 1 });
    const row = graph.op("Reshape", [last, graph.integers([0, config.width])]);
    return this.linear("text.head", this.norm("text.norm", row));
  }
}
