/**
 * The text tower: a transformer one of whose tokens is the caption's embedding: the last, as in SigLIP, where padding is
 * attended, or the end token, as in CLIP.
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { embedTokens, type TokenIndex } from "../ops/embedding.ts";
import { endRows } from "../ops/end_token.ts";
import { chosenTokens } from "../ops/gather.ts";
import type { TextConfig } from "./config.ts";
import type { ParameterSpec, ParameterTensors } from "./parameters.ts";
import { blockSpecs, linearLayer, linearSpecs, normLayer, normSpecs, transformer } from "./transformer.ts";

/** The text tower's parameters. */
export function textSpecs(config: TextConfig, embedding: number): ParameterSpec[] {
  const { width, tokens, vocabulary, initialDeviation, headBias = true } = config;
  const start = { kind: "normal", deviation: initialDeviation } as const;
  return [
    { name: "text.token", shape: [vocabulary, width], initializer: start, decay: false },
    { name: "text.position", shape: [tokens, width], initializer: start, decay: false },
    ...blockSpecs("text", config),
    ...normSpecs("text.norm", width),
    ...linearSpecs("text.head", width, embedding, { kind: "normal", deviation: 1 / Math.sqrt(width) })
      .filter(({ name }) => headBias || name !== "text.head.bias"),
  ];
}

/**
 * Captions to embeddings, not yet of unit length.
 *
 * @param tokens [B, T] u32
 * @param index where the tokens occur, for the gradient of the table; null without one
 * @returns [B, E]
 */
export function textTower(
  graph: Graph,
  parameters: ParameterTensors,
  config: TextConfig,
  tokens: Tensor,
  index: TokenIndex | null,
): Tensor {
  const [examples] = tokens.shape;
  const embedded = embedTokens(
    graph,
    tokens,
    parameters.get("text.token"),
    parameters.get("text.position"),
    index,
  );
  const { endToken, epsilon } = config;
  const pooled = endToken === undefined
    ? transformer(graph, parameters, "text", config, embedded, examples, "last")
    : chosenTokens(
      graph,
      transformer(graph, parameters, "text", config, embedded, examples, "all"),
      endRows(graph, tokens, endToken),
    );
  // The norm works row by row, so only the pooled row needs it.
  const normal = normLayer(graph, parameters, "text.norm", pooled, { epsilon });
  return linearLayer(graph, parameters, "text.head", normal);
}
