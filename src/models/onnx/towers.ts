/**
 * The towers as ONNX operators, from the parameters as checkpoints hold them.
 *
 * Shapes: B batch, I side of a picture, P of a patch, N patches, T tokens, D width, H heads, K head width, E embedding.
 *
 * @module
 */

import type { Checkpoint } from "../checkpoint.ts";
import type { TextConfig, TowerConfig, VisionConfig } from "../config.ts";
import { dualEncoderSpecs } from "../dual_encoder.ts";
import type { OnnxGraph, Value } from "./graph.ts";

const UNIT_EPSILON = 1e-8;
/** Added to the scores of tokens that may not be attended: their weight is exactly 0, and nothing is infinite. */
const MASKED = -1e9;

/** A parameter on the host. */
interface HostParameter {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Builds modules whose weights are looked up by name. */
export class TowerBuilder {
  readonly #shapes: ReadonlyMap<string, readonly number[]>;

  constructor(
    readonly graph: OnnxGraph,
    readonly checkpoint: Pick<Checkpoint, "config" | "parameters">,
  ) {
    this.#shapes = new Map(dualEncoderSpecs(checkpoint.config).map(({ name, shape }) => [name, shape]));
  }

  #values(name: string): HostParameter {
    const shape = this.#shapes.get(name), data = this.checkpoint.parameters.get(name);
    if (!shape || !data) throw new TypeError(`The model has no parameter "${name}"`);
    return { shape, data };
  }

  /** A parameter as it is stored. */
  weight(name: string): Value {
    const { shape, data } = this.#values(name);
    return this.graph.weight(name, shape, data);
  }

  /** A linear layer, x·W + b, with a bias where there is one. */
  linear(name: string, x: Value): Value {
    const product = this.graph.op("MatMul", [x, this.weight(`${name}.weight`)]);
    return this.#shapes.has(`${name}.bias`)
      ? this.graph.op("Add", [product, this.weight(`${name}.bias`)])
      : product;
  }

  /** Columns `from` to `to` of a linear layer with bias, such as the queries of a joint projection. */
  #columns(name: string, x: Value, from: number, to: number): Value {
    const { graph } = this, part = `columns ${from} to ${to}`;
    const { shape: [rows, columns], data } = this.#values(`${name}.weight`);
    const kept = new Float32Array(rows * (to - from));
    for (let row = 0; row < rows; row++) {
      kept.set(data.subarray(row * columns + from, row * columns + to), row * (to - from));
    }
    const weight = graph.weight(`${name}.weight, ${part}`, [rows, to - from], kept);
    const bias = this.#values(`${name}.bias`).data.subarray(from, to);
    return graph.op("Add", [
      graph.op("MatMul", [x, weight]),
      graph.weight(`${name}.bias, ${part}`, [to - from], bias),
    ]);
  }

  /** Layer norm over the last axis. */
  norm(name: string, { epsilon = 1e-6 }: TowerConfig, x: Value): Value {
    const weights = [this.weight(`${name}.weight`), this.weight(`${name}.bias`)];
    return this.graph.op("LayerNormalization", [x, ...weights], { axis: -1, epsilon: { float: epsilon } });
  }

  /** x · gate(x), GELU in the tower's form. */
  #gelu(x: Value, { activation = "gelu-tanh" }: TowerConfig): Value {
    const { graph } = this;
    const half = (y: Value) => graph.op("Mul", [graph.op("Add", [y, graph.scalar(1)]), graph.scalar(0.5)]);
    switch (activation) {
      case "gelu-tanh": { // ½ (1 + tanh(√(2/π) · (x + 0.044715 x³)))
        const cube = graph.op("Mul", [graph.op("Mul", [x, x]), x]);
        const inner = graph.op("Add", [x, graph.op("Mul", [cube, graph.scalar(0.044715)])]);
        const tanh = graph.op("Tanh", [graph.op("Mul", [inner, graph.scalar(Math.sqrt(2 / Math.PI))])]);
        return graph.op("Mul", [x, half(tanh)]);
      }
      case "gelu": // ½ (1 + erf(x / √2))
        return graph.op("Mul", [
          x,
          half(graph.op("Erf", [graph.op("Mul", [x, graph.scalar(Math.SQRT1_2)])])),
        ]);
      case "quick-gelu": // σ(1.702 x)
        return graph.op("Mul", [x, graph.op("Sigmoid", [graph.op("Mul", [x, graph.scalar(1.702)])])]);
    }
  }

  /** x + mlp(norm(x)). */
  residualMlp(norm: string, mlp: string, config: TowerConfig, x: Value): Value {
    const hidden = this.#gelu(this.linear(`${mlp}.in`, this.norm(norm, config, x)), config);
    return this.graph.op("Add", [x, this.linear(`${mlp}.out`, hidden)]);
  }

  /** Splits [B, T, D] into heads: [B, H, T, K], or [B, H, K, T] for keys. */
  #heads(x: Value, { width, heads }: TowerConfig, keys = false): Value {
    const { graph } = this;
    const split = graph.op("Reshape", [x, graph.integers([0, 0, heads, width / heads])]);
    return graph.op("Transpose", [split], { perm: keys ? [0, 2, 3, 1] : [0, 2, 1, 3] });
  }

  /**
   * softmax(q·kᵀ / √K + mask)·v
   *
   * @param q [B, Tq, D], or [1, Tq, D] shared by all examples
   * @param k [B, Tk, D]
   * @param v [B, Tk, D]
   * @param mask [Tq, Tk], null where all are attended
   * @returns [B, Tq, D]
   */
  attention(config: TowerConfig, q: Value, k: Value, v: Value, mask: Value | null = null): Value {
    const { graph } = this, { width, heads } = config;
    const products = graph.op("MatMul", [this.#heads(q, config), this.#heads(k, config, true)]);
    const scaled = graph.op("Mul", [products, graph.scalar(1 / Math.sqrt(width / heads))]);
    const scores = mask === null ? scaled : graph.op("Add", [scaled, mask]);
    const mixed = graph.op("MatMul", [graph.op("Softmax", [scores], { axis: -1 }), this.#heads(v, config)]);
    const joined = graph.op("Transpose", [mixed], { perm: [0, 2, 1, 3] });
    return graph.op("Reshape", [joined, graph.integers([0, 0, width])]);
  }

  /** A stack of blocks: x + attention(norm(x)), then x + mlp(norm(x)). */
  transformer(tower: string, config: TowerConfig, x: Value, mask: Value | null = null): Value {
    const { width, depth } = config;
    for (let index = 0; index < depth; index++) {
      const name = `${tower}.block.${index}`, input = x;
      x = this.graph.within(name, () => {
        const normed = this.norm(`${name}.norm1`, config, input);
        const [q, k, v] = [0, width, 2 * width].map((from) =>
          this.#columns(`${name}.attention.qkv`, normed, from, from + width)
        );
        const attended = this.linear(`${name}.attention.out`, this.attention(config, q, k, v, mask));
        const mixed = this.graph.op("Add", [input, attended]);
        return this.residualMlp(`${name}.norm2`, `${name}.mlp`, config, mixed);
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
   * @param pixels [B, 3, I, I], with the model's mean subtracted and divided by its deviation
   * @returns [B, E]
   */
  vision(config: VisionConfig, pixels: Value): Value {
    const { graph } = this, { pool, preNorm = false } = config;
    const patches = graph.within("image.patch", () => this.#patches(config, pixels));
    const seen = pool === "class" ? this.#prependClass(config, patches) : patches;
    const input = preNorm ? this.norm("image.pre_norm", config, seen) : seen;
    const output = this.transformer("image", config, input);
    return graph.within("image.pool", () => {
      switch (pool) {
        case "class": // the norm works row by row, so only the class token's needs it
          return this.linear("image.head", this.norm("image.norm", config, this.#token(output, config, 0)));
        case "flatten":
          return this.#flatten(config, this.norm("image.norm", config, output));
        case "map":
          return this.#map(config, this.norm("image.norm", config, output));
      }
    });
  }

  /** Embedded patches with their positions, [B, N, D]. */
  #patches({ width, imageSize, patchSize }: VisionConfig, pixels: Value): Value {
    const { graph } = this, sides = [patchSize, patchSize];
    const weights = [this.#patchKernel(patchSize, width)];
    if (this.#shapes.has("image.patch.bias")) weights.push(this.weight("image.patch.bias"));
    const grid = graph.op("Conv", [pixels, ...weights], { kernel_shape: sides, strides: sides });
    const flat = graph.op("Reshape", [grid, graph.integers([0, width, (imageSize / patchSize) ** 2])]);
    const tokens = graph.op("Transpose", [flat], { perm: [0, 2, 1] });
    return graph.op("Add", [tokens, this.weight("image.position")]);
  }

  /** The class token before the patches, [B, 1 + N, D]. */
  #prependClass({ width }: VisionConfig, patches: Value): Value {
    const { graph } = this, { data } = this.#values("image.class");
    const examples = graph.op("Shape", [patches], { start: 0, end: 1 });
    const shape = graph.op("Concat", [examples, graph.integers([1, width])], { axis: 0 });
    const token = graph.op("Expand", [graph.weight("image.class", [1, 1, width], data), shape]);
    return graph.op("Concat", [token, patches], { axis: 1 });
  }

  /** One token of every example, [B, D]. */
  #token(x: Value, { width }: TowerConfig, index: number): Value {
    const { graph } = this, picked = graph.op("Gather", [x, graph.integers([index])], { axis: 1 });
    return graph.op("Reshape", [picked, graph.integers([0, width])]);
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
      this.#columns("image.pool.kv", tokens, 0, width),
      this.#columns("image.pool.kv", tokens, width, 2 * width),
    );
    const pooled = graph.op("Reshape", [attended, graph.integers([0, width])]);
    const projected = this.linear("image.pool.out", pooled);
    return this.residualMlp("image.pool.norm", "image.pool.mlp", config, projected);
  }

  /**
   * Captions to embeddings, not yet of unit length.
   *
   * @param ids [B, T]
   * @returns [B, E]
   */
  text(config: TextConfig, ids: Value): Value {
    const { graph } = this, { tokens, causal = false, endToken } = config;
    const rows = graph.op("Gather", [this.weight("text.token"), ids], { axis: 0 });
    const embedded = graph.op("Add", [rows, this.weight("text.position")]);
    const x = this.transformer("text", config, embedded, causal ? this.#causalMask(tokens) : null);
    const pooled = endToken === undefined
      ? this.#token(x, config, tokens - 1)
      : graph.op("GatherND", [x, this.#endPlaces(ids, endToken)], { batch_dims: 1 });
    // The norm works row by row, so only the pooled one needs it.
    return this.linear("text.head", this.norm("text.norm", config, pooled));
  }

  /** [T, T]: what later tokens' scores are lowered by. */
  #causalMask(tokens: number): Value {
    const later = (at: number) => at % tokens > Math.floor(at / tokens);
    const mask = Float32Array.from({ length: tokens ** 2 }, (_, at) => later(at) ? MASKED : 0);
    return this.graph.weight("causal mask", [tokens, tokens], mask);
  }

  /** Where captions end: the first end token, or the first of the highest ids; 0 without one. [B, 1] */
  #endPlaces(ids: Value, endToken: number | "highest"): Value {
    const { graph } = this, INT32 = 6;
    const marked = endToken === "highest" ? ids : graph.op("Equal", [ids, graph.integers([endToken])]);
    return graph.op("ArgMax", [graph.op("Cast", [marked], { to: INT32 })], { axis: 1, keepdims: 1 });
  }
}
