import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { type Activation, broadcastBack, contributeWeightGradients, matmul, multiply } from "./matmul.ts";

/** Weight [K, N] and bias [N] of a linear layer. */
export interface LinearParameters {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

const layerName = ({ weight }: LinearParameters) => weight.label.replace(/\.weight$/, "");

/**
 * A transformer's MLP: y = GELU(x · W₁ + b₁) · W₂ + b₂ + residual, with its gradient.
 *
 * One op, so that GELU (arXiv:1606.08415) and its derivative run in the products' epilogues and
 * never pass over memory by themselves.
 *
 * @param x [M, D]
 * @param layers.in weight [D, H] and bias [H]
 * @param layers.out weight [H, D] and bias [D]
 * @param residual [M, D]
 * @param activation which form of GELU
 * @returns [M, D]
 */
export function mlp(
  graph: Graph,
  x: Tensor,
  layers: { readonly in: LinearParameters; readonly out: LinearParameters },
  residual: Tensor,
  activation: Activation = "gelu-tanh",
): Tensor {
  const { in: first, out: second } = layers;
  const inputs = [x, first.weight, first.bias, second.weight, second.bias, residual];
  const { product: hidden, saved } = multiply(graph, x, first.weight, {
    bias: first.bias,
    gelu: graph.tracks(inputs) ? "save" : "apply",
    activation,
    dtype: graph.activations,
    label: layerName(first),
  });
  const y = matmul(graph, hidden, second.weight, {
    bias: second.bias,
    addend: residual,
    label: layerName(second),
  });
  return graph.differentiate(y, inputs, (dy) => {
    const dhidden = matmul(graph, dy, second.weight, {
      transposeB: true,
      geluBackward: saved!,
      activation,
      label: `d ${layerName(first)}`,
    });
    contributeWeightGradients(graph, { x: hidden, dy, ...second });
    graph.contribute(
      x,
      (addend) => matmul(graph, dhidden, first.weight, { transposeB: true, addend, label: `d ${x.label}` }),
    );
    contributeWeightGradients(graph, { x, dy: dhidden, ...first });
    broadcastBack(graph, residual, dy);
  });
}
