/**
 * superbatch's side of the comparison; it also writes the files from which the others start their steps.
 *
 * Runs under the package's own configuration: `deno run -A --config deno.json bench/peers/superbatch_worker.ts`.
 */
import { Device, DualEncoder, type SafetensorsTensor, Trainer, writeSafetensors } from "../../mod.ts";
import { Graph } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { selfAttention } from "../../src/ops/attention.ts";
import { layerNorm } from "../../src/ops/layer_norm.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { randomWord, Stream } from "../../src/random/philox.ts";
import { type Case, serve } from "./protocol.ts";
import { CHECKED_STEPS, digest, operand, optimizer, type Work } from "./work.ts";

type Step = Extract<Work, { kind: "step" }>;
type Kernel = Exclude<Work, Step>;

const device = await Device.open();

/** Records a kernel over constants. */
function record(graph: Graph, work: Kernel): Tensor {
  const filled = (salt: number, ...shape: number[]) =>
    graph.constant(
      `operand ${salt}`,
      shape,
      operand(shape.reduce((a, b) => a * b), salt),
    );
  switch (work.kind) {
    case "product": {
      const { m, n, k, transposeA, transposeB } = work;
      const a = transposeA ? filled(1, k, m) : filled(1, m, k);
      return matmul(graph, a, transposeB ? filled(2, n, k) : filled(2, k, n), {
        transposeA,
        transposeB,
      });
    }
    case "layer norm": {
      const { rows, width } = work;
      return layerNorm(
        graph,
        filled(1, rows, width),
        filled(2, width),
        filled(3, width),
      );
    }
    case "attention": {
      const { examples, tokens, heads, headWidth } = work;
      return selfAttention(
        graph,
        filled(1, examples * tokens, 3 * heads * headWidth),
        { examples, heads },
      );
    }
  }
}

async function prepareKernel(work: Kernel): Promise<Case> {
  const graph = new Graph(device), y = record(graph, work), sizeBytes = y.size * 4;
  const buffer = device.createBuffer("result", sizeBytes);
  graph.place(y, { buffer, offsetBytes: 0, sizeBytes });
  const program = await Program.compile(device, graph, work.kind);
  device.submit(program.recording);
  return {
    digest: digest(new Float32Array(await device.read(buffer, 0, sizeBytes))),
    async run(runs) {
      device.submit(...Array.from({ length: runs }, () => program.recording));
      await device.finish();
    },
    release() {
      program[Symbol.dispose]();
      device.destroyBuffer(buffer);
    },
  };
}

/** Writes parameters and a random batch, to be read by the others. */
async function writeStart({ config, batch, file }: Step, model: DualEncoder) {
  const { vision: { imageSize }, text: { tokens: length, vocabulary } } = config;
  const pixels = Uint8Array.from(
    { length: batch * imageSize ** 2 * 3 },
    (_, i) => randomWord(1, Stream.data, 0, i),
  );
  const tokens = Uint32Array.from(
    { length: batch * length },
    (_, i) => randomWord(1, Stream.data, 1, i) % vocabulary,
  );
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, { shape, data }] of await model.parameters.read()) {
    tensors.set(`param.${name}`, { dtype: "F32", shape, data });
  }
  tensors.set("input.pixels", {
    dtype: "U8",
    shape: [batch, imageSize, imageSize, 3],
    data: pixels,
  });
  tensors.set("input.tokens", {
    dtype: "I32",
    shape: [batch, length],
    data: Int32Array.from(tokens),
  });
  await Deno.writeFile(
    file,
    writeSafetensors(tensors, { config: JSON.stringify(config) }),
  );
  return { pixels, tokens };
}

async function prepareStep(work: Step): Promise<Case> {
  const model = DualEncoder.create(device, work.config, { seed: 1 });
  const superBatch = await writeStart(work, model);
  const { learningRate, ...adamW } = optimizer;
  const trainer = await Trainer.create(model, {
    steps: 1e9, // so that the schedule stays at its peak
    batch: work.batch,
    seed: 1,
    learningRate,
    warmUp: 0,
    optimizer: adamW,
  });
  for (let step = 0; step < CHECKED_STEPS; step++) trainer.step(superBatch);
  return {
    losses: (await trainer.readLog()).map(({ loss }) => loss),
    async run(runs) {
      for (let step = 0; step < runs; step++) {
        if (trainer.logCapacity === 0) await trainer.readLog();
        trainer.step(superBatch);
      }
      await trainer.readLog();
    },
    release() {
      trainer[Symbol.dispose]();
      model[Symbol.dispose]();
    },
  };
}

await serve((work) => work.kind === "step" ? prepareStep(work) : prepareKernel(work));
