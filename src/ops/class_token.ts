import { linearGrid } from "../gpu/recorder.ts";
import { classToken as shader } from "../gpu/shaders.gen.ts";
import type { Graph } from "../graph/graph.ts";
import { expectShape, type Tensor } from "../graph/tensor.ts";
import { firstTokens } from "./gather.ts";
import { sumRows } from "./sum_rows.ts";

const WORKGROUP = 64;

/**
 * Puts a learned token before every sequence (ViT, arXiv:2010.11929), with the gradients.
 *
 * @param x [B·N, D], D a multiple of 4
 * @param token [1, D]
 * @param examples B
 * @returns [B·(N + 1), D]
 * @throws TypeError when the token has another width
 */
export function prependToken(graph: Graph, x: Tensor, token: Tensor, examples: number): Tensor {
  const [rows, width] = x.shape, patches = rows / examples;
  expectShape(token, [1, width], "class token");
  const y = graph.temporary("class token and patches", [examples * (patches + 1), width]);
  const params = { patches, width: width / 4 };
  graph.dispatch(shader, "forward", { params: { ...params, size: y.size / 4 }, x, token, y }, {
    workgroups: linearGrid(y.size / 4, WORKGROUP),
    constants: { WORKGROUP },
  });
  return graph.differentiate(y, [x, token], (dy) => {
    graph.contribute(x, (addend) => {
      const dx = graph.temporary(`d ${x.label}`, x.shape);
      graph.dispatch(
        shader,
        "backward",
        { params: { ...params, size: dx.size / 4 }, dy, addend: addend ?? graph.nothing, dx },
        {
          workgroups: linearGrid(dx.size / 4, WORKGROUP),
          constants: { WORKGROUP, ACCUMULATE: addend !== null },
        },
      );
      return dx;
    });
    graph.contribute(token, (addend) => {
      const firsts = firstTokens(graph, dy, patches + 1);
      return sumRows(graph, firsts, addend?.reshape(width) ?? null, `d ${token.label}`).reshape(1, width);
    });
  });
}
