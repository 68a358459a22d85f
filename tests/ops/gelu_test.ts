import { gelu } from "../../src/ops/gelu.ts";
import { sharesDevice } from "../gpu/device.ts";
import { gelu as expected, geluBackward } from "../reference/gelu.ts";
import { checkOp } from "./check_op.ts";
import { randomInput } from "./run_graph.ts";

const huge = Float32Array.of(-1e4, -100, -20, -10, -5, -1e-6, 0, 1e-6, 5, 10, 20, 100, 1e4);
const cases = {
  "1 number": randomInput(1, [1]),
  "3 numbers": randomInput(1, [3]),
  "[65, 5]": randomInput(1, [65, 5], 3),
  "huge numbers": { shape: [huge.length], data: huge },
  "[196, 768]": randomInput(1, [196, 768]),
};

for (const [name, x] of Object.entries(cases)) {
  Deno.test({ name: `GELU of ${name}`, ...sharesDevice }, async () => {
    await checkOp({
      inputs: { x },
      op: (graph, t) => gelu(graph, t.x),
      reference: (dy) => ({
        output: { value: expected(x.data), reduction: 4 },
        gradients: { x: { value: geluBackward(x.data, dy), reduction: 4 } },
      }),
    });
  });
}
