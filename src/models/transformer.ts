/**
 * The pre-norm transformer block that both towers are stacks of (Vaswani et al. 2017; Dosovitskiy et al. 2021).
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import type { DType, Tensor } from "../graph/tensor.ts";
import { lastTokenAttention, selfAttention } from "../ops/attention.ts";
import { lastTokens } from "../ops/gather.ts";
import { layerNorm } from "../ops/layer_norm.ts";
import { linear } from "../ops/matmul.ts";
import { type LinearParameters, mlp as mlpOp } from "../ops/mlp.ts";
import type { TowerConfig } from "./config.ts";
import type { Initializer, ParameterSpec, ParameterTensors } from "./parameters.ts";

/** Weight and bias of a linear layer from `fanIn` to `fanOut` columns. */
export function linearSpecs(
  name: string,
  fanIn: number,
  fanOut: number,
  initializer: Initializer = { kind: "xavier", fanIn, fanOut },
  biasDeviation = 0,
): ParameterSpec[] {
  const bias: Initializer = { kind: "normal", deviation: biasDeviation };
  return [
    { name: `${name}.weight`, shape: [fanIn, fanOut], initializer, decay: true },
    { name: `${name}.bias`, shape: [fanOut], initializer: bias, decay: false },
  ];
}

/** Weight and bias of a layer norm. */
export function normSpecs(name: string, width: number): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [width], initializer: { kind: "constant", value: 1 }, decay: false },
    { name: `${name}.bias`, shape: [width], initializer: { kind: "constant", value: 0 }, decay: false },
  ];
}

/** The two layers of a block's MLP; their biases start at 1e-6 · normal, as in big_vision. */
export function mlpSpecs(name: string, width: number, hidden: number): ParameterSpec[] {
  return [
    ...linearSpecs(`${name}.in`, width, hidden, undefined, 1e-6),
    ...linearSpecs(`${name}.out`, hidden, width, undefined, 1e-6),
  ];
}

/** The parameters of a stack of blocks under `tower.block.0`, `tower.block.1`, … */
export function blockSpecs(tower: string, { width, depth, hidden }: TowerConfig): ParameterSpec[] {
  return Array.from({ length: depth }, (_, index) => {
    const name = `${tower}.block.${index}`;
    // Each of q, k and v is Xavier-uniform by itself, as three separate layers would be.
    const projection: Initializer = { kind: "xavier", fanIn: width, fanOut: width };
    return [
      ...normSpecs(`${name}.norm1`, width),
      ...linearSpecs(`${name}.attention.qkv`, width, 3 * width, projection),
      ...linearSpecs(`${name}.attention.out`, width, width),
      ...normSpecs(`${name}.norm2`, width),
      ...mlpSpecs(`${name}.mlp`, width, hidden),
    ];
  }).flat();
}

/** A linear layer by name, with a bias where there is one; what it computes is f32 unless `dtype` says otherwise. */
export function linearLayer(
  graph: Graph,
  parameters: ParameterTensors,
  name: string,
  x: Tensor,
  { residual, dtype }: { residual?: Tensor; dtype?: DType } = {},
): Tensor {
  const bias = parameters.has(`${name}.bias`) ? parameters.get(`${name}.bias`) : null;
  return linear(graph, x, parameters.get(`${name}.weight`), bias, residual, dtype);
}

/** A layer norm by name. */
export function normLayer(
  graph: Graph,
  parameters: ParameterTensors,
  name: string,
  x: Tensor,
  options: { epsilon?: number; dtype?: DType } = {},
): Tensor {
  return layerNorm(graph, x, parameters.get(`${name}.weight`), parameters.get(`${name}.bias`), options);
}

/** x + mlp(norm(x)), the second half of a block and of the pooling head. */
export function residualMlp(
  graph: Graph,
  parameters: ParameterTensors,
  { norm, mlp }: { norm: string; mlp: string },
  { activation, epsilon }: Pick<TowerConfig, "activation" | "epsilon">,
  x: Tensor,
): Tensor {
  const layer = (name: string): LinearParameters => ({
    weight: parameters.get(`${name}.weight`),
    bias: parameters.get(`${name}.bias`),
  });
  const layers = { in: layer(`${mlp}.in`), out: layer(`${mlp}.out`) };
  return mlpOp(graph, normLayer(graph, parameters, norm, x, { epsilon }), layers, x, activation);
}

/**
 * Runs a stack of blocks.
 *
 * Where only the last token is pooled, the last block computes just its row: the others feed it by their keys and
 * values, and nothing reads what else would become of them. The same numbers with less work.
 *
 * @param x [B·T, D]
 * @param output which tokens the caller reads: `all`, or the `last` of every example
 * @returns [B·T, D], or [B, D] for `last`; not yet normalised
 */
export function transformer(
  graph: Graph,
  parameters: ParameterTensors,
  tower: string,
  config: TowerConfig & { readonly causal?: boolean },
  x: Tensor,
  examples: number,
  output: "all" | "last",
): Tensor {
  const { depth, heads, epsilon, causal } = config;
  for (let index = 0; index < depth; index++) {
    const name = `${tower}.block.${index}`, input = x, tokens = input.shape[0] / examples;
    const last = output === "last" && index === depth - 1;
    x = graph.recomputable(() => {
      const qkv = linearLayer(
        graph,
        parameters,
        `${name}.attention.qkv`,
        normLayer(graph, parameters, `${name}.norm1`, input, { epsilon }),
        { dtype: graph.activations },
      );
      const attended = last
        ? lastTokenAttention(graph, qkv, { examples, heads })
        : selfAttention(graph, qkv, { examples, heads, causal });
      const residual = last ? lastTokens(graph, input, tokens) : input;
      const mixed = linearLayer(graph, parameters, `${name}.attention.out`, attended, { residual });
      return residualMlp(graph, parameters, { norm: `${name}.norm2`, mlp: `${name}.mlp` }, config, mixed);
    });
  }
  return x;
}
