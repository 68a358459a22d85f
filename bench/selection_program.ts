/** Joint selection by itself, to be timed. */
import type { Device } from "../src/gpu/device.ts";
import { Graph } from "../src/graph/graph.ts";
import { Program } from "../src/graph/program.ts";
import { selectBatch } from "../src/selection/samplers.ts";

/** Columns of the embeddings, as in the default experiment. */
const WIDTH = 64;

/** A program that selects `batch` of `superBatch` in `chunks`, from random unit embeddings. */
export async function selectionProgram(
  device: Device,
  superBatch: number,
  batch: number,
  chunks: number,
): Promise<Program> {
  const graph = new Graph(device);
  let stream = 0;
  const unit = () => {
    // Cheap numbers: up to 32,768 rows for four matrices.
    const rows = Float32Array.from({ length: superBatch * WIDTH }, (_, i) => Math.sin(i * (1.7 + stream)));
    for (let row = 0; row < superBatch; row++) {
      const part = rows.subarray(row * WIDTH, (row + 1) * WIDTH), length = Math.hypot(...part);
      part.forEach((value, column) => part[column] = value / length);
    }
    return graph.constant(`embeddings ${stream++}`, [superBatch, WIDTH], rows);
  };
  const model = () => ({
    image: unit(),
    text: unit(),
    logitScale: graph.constant("scale", [1], Float32Array.of(Math.log(10))),
    logitBias: graph.constant("bias", [1], Float32Array.of(-5)),
  });
  const step = graph.constant("step", [4], new Uint32Array(4));
  selectBatch(graph, "joint", { learner: model(), reference: model() }, {
    superBatch,
    batch,
    chunks,
    iterations: 0,
    gain: 100,
    loss: "sigmoid",
    score: "learnability",
    seed: 1,
    step,
  });
  return await Program.compile(device, graph, "selection");
}
