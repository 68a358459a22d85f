/**
 * Rates of the kernels, and their share of what the adapter can do at all.
 *
 *     deno bench -A bench/kernels_bench.ts
 *
 * Waiting for the GPU takes Deno about 10 ms, so a benchmark submits enough dispatches for a few hundred milliseconds
 * and divides. The multiply-add rate of registers alone and the rate of a copy are measured first: products and
 * attention are printed as a share of the one, memory-bound kernels as a share of the other.
 */
import { fma } from "../src/gpu/shaders.gen.ts";
import { Device } from "../src/gpu/device.ts";
import { Graph } from "../src/graph/graph.ts";
import { Program } from "../src/graph/program.ts";
import { Tensor } from "../src/graph/tensor.ts";
import { pooledAttention, selfAttention } from "../src/ops/attention.ts";
import {
  type AttentionGeometry,
  type AttentionVariantName,
  attentionVariants,
} from "../src/ops/attention_variants.ts";
import { copyInto } from "../src/ops/gather.ts";
import { gelu } from "../src/ops/gelu.ts";
import { layerNorm } from "../src/ops/layer_norm.ts";
import { matmul } from "../src/ops/matmul.ts";

/** How long one measurement should keep the GPU busy, so that the wait at its end weighs little. */
const TARGET_MS = 200;

const device = await Device.open();

/** Submits work that runs a kernel so many times. */
type Submit = (repeats: number) => void;

interface Benchmark {
  readonly name: string;
  /** What is counted: floating-point operations or bytes of one run. */
  readonly unit: "FLOP" | "B";
  readonly amount: number;
  readonly submit: Submit;
  /** Runs that take about {@link TARGET_MS}. */
  readonly repeats: number;
  /** The best rate that was measured, in units a second. */
  rate: number;
}

/** Seconds of `repeats` runs in one submit. */
async function seconds(submit: Submit, repeats: number): Promise<number> {
  const start = performance.now();
  submit(repeats);
  await device.finish();
  return (performance.now() - start) / 1000;
}

const benchmarks: Benchmark[] = [];

async function add(name: string, unit: "FLOP" | "B", amount: number, submit: Submit): Promise<void> {
  await seconds(submit, 1); // the driver compiles at the first run
  // A first guess from one run, corrected once the wait no longer hides the time.
  const guess = Math.ceil(TARGET_MS / 1000 / await seconds(submit, 1));
  const corrected = Math.round(guess * TARGET_MS / 1000 / await seconds(submit, guess));
  benchmarks.push({ name, unit, amount, submit, repeats: Math.max(1, Math.min(2000, corrected)), rate: 0 });
}

/** Adds what `build` records. */
async function addGraph(
  name: string,
  unit: "FLOP" | "B",
  amount: number,
  build: (graph: Graph) => void,
): Promise<void> {
  const graph = new Graph(device);
  build(graph);
  const { recording } = await Program.compile(device, graph, name);
  await add(
    name,
    unit,
    amount,
    (repeats) => device.submit(...Array.from({ length: repeats }, () => recording)),
  );
}

const filled = (graph: Graph, label: string, ...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b);
  return graph.constant(label, shape, Float32Array.from({ length: size }, (_, i) => i % 17 / 17 - 0.5));
};

const ROUNDS = 256, INVOCATIONS = 64 * 256;
await addGraph("fma in registers", "FLOP", 2 * 4 * 16 * ROUNDS * INVOCATIONS, (graph) => {
  const y = graph.temporary("sums", [INVOCATIONS]);
  graph.dispatch(fma, "forward", { params: { rounds: ROUNDS, a: 0.999, b: 1e-3 }, y }, {
    workgroups: [INVOCATIONS / 64, 1, 1],
  });
});
const COPIED_BYTES = 2 ** 24;
const [source, target] = ["source", "target"].map((label) => device.createBuffer(label, COPIED_BYTES));
await add("copy of 16 MiB", "B", 2 * COPIED_BYTES, (repeats) => {
  const encoder = device.gpu.createCommandEncoder();
  for (let i = 0; i < repeats; i++) encoder.copyBufferToBuffer(source, 0, target, 0, COPIED_BYTES);
  device.gpu.queue.submit([encoder.finish()]);
});
await addGraph("copy kernel, 16 MiB", "B", 2 * COPIED_BYTES, (graph) => {
  const size = COPIED_BYTES / 4;
  copyInto(graph, filled(graph, "x", size), graph.temporary("y", [size]));
});

/** The variants that this adapter can run. */
function runnable(geometry: AttentionGeometry): AttentionVariantName[] {
  const { maxComputeWorkgroupStorageSize: most } = device.gpu.limits;
  return attentionVariants(geometry).filter(({ workgroupBytes }) => workgroupBytes <= most).map(({ name }) =>
    name
  );
}

/** Adds an attention's forward pass, and that with the backward pass, which has 3.5 times as many operations. */
async function addAttention(
  name: string,
  flops: number,
  build: (graph: Graph, differentiable: (tensor: Tensor) => Tensor) => Tensor,
): Promise<void> {
  await addGraph(`${name}, forward`, "FLOP", flops, (graph) => {
    build(graph, (tensor) => tensor);
  });
  await addGraph(`${name}, with backward`, "FLOP", 4.5 * flops, (graph) => {
    const out = build(
      graph,
      ({ storage, shape, dtype, offsetBytes }) => new Tensor(storage, shape, dtype, offsetBytes, true),
    );
    graph.backward([[out, filled(graph, "d out", ...out.shape)]]);
  });
}

type Product = [name: string, m: number, n: number, k: number, transposeA: boolean, transposeB: boolean];
// 512³ for comparison with others; then a mini model's (width 192, 64 pictures of 49 patches) and ViT-B's MLP.
const products: Product[] = [
  ["512³ NN", 512, 512, 512, false, false],
  ["512³ NT", 512, 512, 512, false, true],
  ["512³ TN", 512, 512, 512, true, false],
  ["511³ NN, scalar kernel", 511, 511, 511, false, false],
  ["qkv [3136, 192]·[192, 576]", 3136, 576, 192, false, false],
  ["mlp.in [3136, 192]·[192, 768]", 3136, 768, 192, false, false],
  ["d mlp.in input, NT", 3136, 192, 768, false, true],
  ["d mlp.in weight, TN", 192, 768, 3136, true, false],
  ["ViT-B mlp.in [392, 768]·[768, 3072]", 392, 3072, 768, false, false],
];
for (const [name, m, n, k, transposeA, transposeB] of products) {
  await addGraph(`matmul ${name}`, "FLOP", 2 * m * n * k, (graph) => {
    const a = transposeA ? filled(graph, "a", k, m) : filled(graph, "a", m, k);
    const b = transposeB ? filled(graph, "b", n, k) : filled(graph, "b", k, n);
    matmul(graph, a, b, { transposeA, transposeB });
  });
}
for (const [examples, tokens, heads, headWidth] of [[64, 49, 3, 64], [2, 196, 12, 64]]) {
  const width = heads * headWidth, flops = 4 * examples * tokens * tokens * width;
  const shape = `${examples} × ${tokens} tokens, ${heads} heads of ${headWidth}`;
  for (const variant of runnable({ queries: tokens, keys: tokens, headWidth, sharedQueries: false })) {
    await addAttention(`attention, ${variant}, ${shape}`, flops, (graph, differentiable) => {
      const qkv = filled(graph, "qkv", examples * tokens, 3 * width);
      return selfAttention(graph, differentiable(qkv), { examples, heads, variant });
    });
  }
}
{
  const examples = 64, keys = 49, heads = 3, headWidth = 64, width = heads * headWidth;
  for (const variant of runnable({ queries: 1, keys, headWidth, sharedQueries: true })) {
    const name = `pooling, ${variant}, ${examples} × ${keys} keys, ${heads} heads of ${headWidth}`;
    await addAttention(name, 4 * examples * keys * width, (graph, differentiable) => {
      const kv = differentiable(filled(graph, "kv", examples * keys, 2 * width));
      return pooledAttention(graph, filled(graph, "q", 1, width), kv, { examples, heads, variant });
    });
  }
}
await addGraph("layer norm [3136, 192]", "B", 2 * 4 * 3136 * 192, (graph) => {
  layerNorm(graph, filled(graph, "x", 3136, 192), filled(graph, "weight", 192), filled(graph, "bias", 192));
});
await addGraph("GELU [3136, 768]", "B", 2 * 4 * 3136 * 768, (graph) => {
  gelu(graph, filled(graph, "x", 3136, 768));
});

for (const benchmark of benchmarks) {
  const { name, amount, submit, repeats } = benchmark;
  Deno.bench({ name: `${name}, ${repeats} times`, n: 3, warmup: 0 }, async () => {
    benchmark.rate = Math.max(benchmark.rate, repeats * amount / await seconds(submit, repeats));
  });
}

globalThis.addEventListener("unload", () => {
  const peaks = { FLOP: benchmarks[0].rate, B: benchmarks[1].rate };
  console.log(`\n${device.adapter.description}: rates, and shares of the first and the second line`);
  for (const { name, unit, rate } of benchmarks.filter(({ rate }) => rate > 0)) {
    const share = peaks[unit] > 0 ? `${(100 * rate / peaks[unit]).toFixed(1).padStart(6)} %` : "";
    console.log(`${name.padEnd(70)} ${(rate / 1e9).toFixed(2).padStart(9)} G${unit}/s ${share}`);
  }
});
