/** Holds an op against its float64 reference, forward and backward, once and with summed gradients. */
import assert from "node:assert/strict";
import type { Graph, Target } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { assertClose } from "../reference/compare.ts";
import { type Input, randomInput, runOp } from "./run_graph.ts";

/** Expected values, and what the tolerance needs to know of them. */
export interface Expected {
  readonly value: ArrayLike<number>;
  /** Terms that each element sums. */
  readonly reduction: number;
  /** Size of the numbers that are summed; the largest |value| unless told. */
  readonly scale?: number;
  /** Terms that were computed and stored in half precision; 0 unless told. */
  readonly halves?: number;
}

/** An op on given inputs, and what mathematics says of it. */
export interface OpCase {
  readonly inputs: { readonly [name: string]: Input };
  readonly op: (graph: Graph, tensors: { readonly [name: string]: Tensor }) => Tensor;
  /** The output and, if the op has a gradient, that of every floating-point input for the output's gradient `dy`. */
  readonly reference: (dy: Float32Array) => {
    readonly output: Expected;
    readonly gradients?: { readonly [name: string]: Expected };
  };
  /** False for an op whose input feeds it alone, so that its gradients never sum. */
  readonly sums?: boolean;
  /** What decides between variants of kernels; the test device itself when left out. */
  readonly target?: Target;
  /** How ops store what products and attention read. */
  readonly activations?: "f32" | "f16";
}

/** Runs the op, then twice on the same inputs, whose gradients must double. */
export async function checkOp(
  { inputs, op, reference, sums = true, target, activations }: OpCase,
): Promise<void> {
  let dy: Float32Array = new Float32Array();
  const seed = ({ shape }: Tensor) => dy = randomInput(99, shape).data;
  for (const uses of sums ? [1, 2] : [1]) {
    const actual = await runOp(inputs, op, seed, uses, target, activations);
    const { output, gradients = {} } = reference(dy);
    assertClose(actual.output, output.value, { ...output, name: "output" });
    assert.deepEqual(
      [...actual.gradients.keys()].sort(),
      Object.keys(gradients).sort(),
      "who has a gradient",
    );
    for (const [name, { value, reduction, scale, halves }] of Object.entries(gradients)) {
      const summed = Float64Array.from(value, (element) => uses * element);
      assertClose(actual.gradients.get(name)!, summed, {
        name: uses === 1 ? `gradient of ${name}` : `summed gradient of ${name}`,
        halves,
        reduction: uses * reduction,
        scale: scale === undefined ? undefined : uses * scale,
      });
    }
  }
}
