import { activations } from "../../src/ops/matmul.ts";
import { mlp } from "../../src/ops/mlp.ts";
import { sharesDevice } from "../gpu/device.ts";
import { mlp as expected, mlpBackward } from "../reference/mlp.ts";
import { checkOp } from "./check_op.ts";
import { randomInput } from "./run_graph.ts";

const sizes = [[1, 1, 1], [5, 3, 7], [36, 8, 20], [196, 64, 132]] as const;
for (
  const [[rows, width, hidden], form] of sizes.flatMap((size) =>
    activations.map((form) => [size, form] as const)
  )
) {
  Deno.test(
    { name: `MLP [${rows}, ${width}] → ${hidden} → ${width}, ${form}`, ...sharesDevice },
    async () => {
      const x = randomInput(1, [rows, width]), residual = randomInput(2, [rows, width]);
      const weights = {
        "mlp.in.weight": randomInput(3, [width, hidden], 1 / Math.sqrt(width)),
        "mlp.in.bias": randomInput(4, [hidden]),
        "mlp.out.weight": randomInput(5, [hidden, width], 1 / Math.sqrt(hidden)),
        "mlp.out.bias": randomInput(6, [width]),
      };
      const parameters = Object.fromEntries(
        Object.entries(weights).map(([name, { data }]) => [name, Float64Array.from(data)]),
      );
      await checkOp({
        inputs: { x, residual, ...weights },
        op: (graph, t) => {
          const layer = (name: string) => ({ weight: t[`${name}.weight`], bias: t[`${name}.bias`] });
          return mlp(graph, t.x, { in: layer("mlp.in"), out: layer("mlp.out") }, t.residual, form);
        },
        reference: (dy) => {
          const gradients = Object.fromEntries(
            Object.entries(parameters).map(([name, { length }]) => [name, new Float64Array(length)]),
          );
          const dx = mlpBackward(
            parameters,
            "mlp",
            Float64Array.from(x.data),
            Float64Array.from(dy),
            gradients,
            form,
          );
          const y = expected(parameters, "mlp", Float64Array.from(x.data), form).map((v, at) =>
            v + residual.data[at]
          );
          const reduction = width + hidden;
          return {
            output: { value: y, reduction },
            gradients: {
              x: { value: dx, reduction },
              residual: { value: dy, reduction: 1 },
              ...Object.fromEntries(
                Object.entries(gradients).map((
                  [name, value],
                ) => [name, { value, reduction: reduction + rows }]),
              ),
            },
          };
        },
      });
    },
  );
}
