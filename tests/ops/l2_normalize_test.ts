import { l2Normalize } from "../../src/ops/l2_normalize.ts";
import { sharesDevice } from "../gpu/device.ts";
import { l2Normalize as expected, l2NormalizeBackward } from "../reference/l2_normalize.ts";
import { checkOp } from "./check_op.ts";
import { randomInput } from "./run_graph.ts";

// Down to rows whose squares vanish in f32; a gradient through them is about 1 / ε.
const cases = [[1, 1, 1], [3, 5, 1], [65, 65, 10], [64, 192, 1], [3, 5, 1e-8], [3, 5, 1e-19], [3, 5, 1e-25], [
  3,
  5,
  0,
]];

for (const [rows, width, deviation] of cases) {
  Deno.test(
    { name: `unit rows of [${rows}, ${width}], deviation ${deviation}`, ...sharesDevice },
    async () => {
      const y = randomInput(1, [rows, width], deviation);
      await checkOp({
        inputs: { y },
        op: (graph, t) => l2Normalize(graph, t.y),
        reference: (dz) => ({
          output: { value: expected(y.data, width), reduction: width },
          gradients: {
            // One column: the gradient is what is left of a difference of numbers around 1.
            y: {
              value: l2NormalizeBackward(y.data, dz, width),
              reduction: width,
              scale: width === 1 ? 4 : undefined,
            },
          },
        }),
      });
    },
  );
}
