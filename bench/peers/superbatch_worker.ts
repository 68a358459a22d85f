/**
 * superbatch's side of the comparison; it also writes the files from which the others start their steps.
 *
 * Runs under the package's own configuration: `deno run -A --config deno.json bench/peers/superbatch_worker.ts`.
 */
import { DualEncoder, type SafetensorsTensor, Trainer, writeSafetensors } from "../../mod.ts";
import { type Choice, Graph } from "../../src/graph/graph.ts";
import { Program } from "../../src/graph/program.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { selfAttention } from "../../src/ops/attention.ts";
import { layerNorm } from "../../src/ops/layer_norm.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { openTuned, tuneMissing } from "../../src/run/tuning.ts";
import { planMicroBatch } from "../../src/train/plan.ts";
import { randomSuperBatch } from "../../src/train/random_batch.ts";
import { type Case, serve } from "./protocol.ts";
import { CHECKED_STEPS, digest, operand, optimizer, type Work } from "./work.ts";

type Step = Extract<Work, { kind: "step" }>;
type Kernel = Exclude<Work, Step>;

const device = await openTuned();
// The default kernels were chosen on software adapters, and any cache of theirs is left alone: rows stay comparable.
if (device.traits.software) device.tuned.clear();

/** Tunes what these choices leave open, on a GPU; says which kernels then run. */
async function tuned(choices: readonly Choice[]): Promise<string> {
  if (device.traits.software) return "default kernels";
  await tuneMissing(device, choices);
  return `kernels tuned (${choices.length} classes)`;
}

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
  const trial = new Graph(device);
  record(trial, work);
  const note = await tuned([...trial.choices.values()]);
  const graph = new Graph(device), y = record(graph, work), sizeBytes = y.size * 4;
  const buffer = device.createBuffer("result", sizeBytes);
  graph.place(y, { buffer, offsetBytes: 0, sizeBytes });
  const program = await Program.compile(device, graph, work.kind);
  device.submit(program.recording);
  return {
    note,
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
  const { vision: { imageSize }, text: { tokens: length } } = config;
  const { pixels, tokens } = randomSuperBatch(config, batch, config.embedding, 1);
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, { shape, data }] of await model.parameters.read()) {
    tensors.set(`param.${name}`, { dtype: "F32", shape, data });
  }
  tensors.set("input.pixels", {
    dtype: "U8",
    shape: [batch, imageSize, imageSize, 3],
    data: Uint8Array.from(pixels),
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
  const { config, batch } = work, { learningRate, ...adamW } = optimizer;
  const options = {
    steps: 1e9, // so that the schedule stays at its peak
    batch,
    seed: 1,
    learningRate,
    warmUp: 0,
    optimizer: adamW,
  };
  const { microBatch, choices } = planMicroBatch(config, options, device);
  const kernels = await tuned(choices);
  const model = DualEncoder.create(device, config, { seed: 1 });
  const superBatch = await writeStart(work, model);
  const trainer = await Trainer.create(model, { ...options, microBatch });
  for (let step = 0; step < CHECKED_STEPS; step++) trainer.step(superBatch);
  return {
    note: microBatch < batch ? `${kernels}, micro-batches of ${microBatch}` : kernels,
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
