/** The rate that benchmarks are held against. */
import type { Device } from "../src/gpu/device.ts";
import { fma } from "../src/gpu/shaders.gen.ts";
import { Graph } from "../src/graph/graph.ts";
import { Program } from "../src/graph/program.ts";

const ROUNDS = 256, INVOCATIONS = 64 * 256, RUNS = 50;

/** FLOP/s of multiply-adds in registers alone, the best of three measurements. */
export async function fmaPeak(device: Device): Promise<number> {
  const graph = new Graph(device);
  const y = graph.temporary("sums", [INVOCATIONS]);
  graph.dispatch(fma, "forward", { params: { rounds: ROUNDS, a: 0.999, b: 1e-3 }, y }, {
    workgroups: [INVOCATIONS / 64, 1, 1],
  });
  using program = await Program.compile(device, graph, "fma");
  device.submit(program.recording); // the driver compiles at the first run
  await device.finish();
  let best = Infinity;
  for (let attempt = 0; attempt < 3; attempt++) {
    const start = performance.now();
    device.submit(...Array.from({ length: RUNS }, () => program.recording));
    await device.finish();
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  return RUNS * 2 * 4 * 16 * ROUNDS * INVOCATIONS / best;
}
