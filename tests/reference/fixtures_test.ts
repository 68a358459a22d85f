/** The float64 references against PyTorch and NumPy (`tests/fixtures/make.py`). */
import assert from "node:assert/strict";
import { readSafetensors } from "../../src/storage/safetensors.ts";
import { toFloat32 } from "../../src/storage/float_conversion.ts";
import { adamW, clipFactor } from "./adamw.ts";
import { relativeNorm } from "./compare.ts";
import { dualEncoder, type DualEncoderSize } from "./dual_encoder.ts";
import type { Parameters } from "./parameters.ts";
import { gridResize, kernelResize, type Matrix, resizeSquare } from "./resize.ts";

const fixture = (name: string) => new URL(`../fixtures/${name}`, import.meta.url);

/** The fixture's rounding to f32. */
const ROUNDING = 1e-7;

interface Optimizer {
  steps: number;
  lr: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  clipNorm: number;
}

const isDecayed = (name: string) =>
  name === "image.patch.kernel" || (name.endsWith(".weight") && !name.includes("norm"));

/** Asserts a relative norm; what is zero by symmetry is held against 1e-3. */
function assertNear(actual: Float64Array, expected: Float32Array, tolerance: number, name: string): void {
  const size = Math.hypot(...expected);
  const difference = relativeNorm(actual, expected) * size / Math.max(size, 1e-3);
  assert.ok(
    size === 0 ? actual.every((value) => value === 0) : difference < tolerance,
    `${name}: ${difference}`,
  );
}

for (const file of ["dual_encoder_map", "dual_encoder_flatten"]) {
  Deno.test(`${file}: embeddings, loss, gradients and ten steps equal PyTorch's`, async () => {
    const { tensors, metadata } = readSafetensors(await Deno.readFile(fixture(`${file}.safetensors`)));
    const config = JSON.parse(metadata.config) as DualEncoderSize & { optimizer: Optimizer };
    const get = (name: string) => toFloat32(tensors.get(name)!, name);
    const names = [...tensors.keys()].filter((name) => name.startsWith("param.")).map((name) =>
      name.slice(6)
    );
    const parameters: Parameters = Object.fromEntries(
      names.map((name) => [name, Float64Array.from(get(`param.${name}`))]),
    );
    const pixels = tensors.get("input.pixels")!.data as Uint8Array;
    const tokens = tensors.get("input.tokens")!.data as Int32Array;
    const states = names.map((name) => ({
      name,
      parameter: parameters[name],
      firstMoment: new Float64Array(parameters[name].length),
      secondMoment: new Float64Array(parameters[name].length),
    }));

    const { steps, lr: learningRate, clipNorm, weightDecay, ...settings } = config.optimizer;
    for (let step = 1; step <= steps; step++) {
      const result = dualEncoder(parameters, pixels, tokens, config);
      assertNear(Float64Array.of(result.loss), get("losses").slice(step - 1, step), ROUNDING, `loss ${step}`);
      if (step === 1) {
        assertNear(result.image, get("output.image"), ROUNDING, "image");
        assertNear(result.text, get("output.text"), ROUNDING, "text");
        assert.deepEqual(Object.keys(result.gradients).sort(), names.sort());
        for (const name of names) assertNear(result.gradients[name], get(`grad.${name}`), ROUNDING, name);
      }
      const { factor } = clipFactor(Object.values(result.gradients), clipNorm);
      for (const state of states) {
        const gradient = result.gradients[state.name].map((value) => value * factor);
        const decay = isDecayed(state.name) ? weightDecay : 0;
        adamW(state, gradient, step, { ...settings, learningRate, weightDecay: decay });
      }
    }
    for (const name of names) {
      assertNear(parameters[name], get(`after10.${name}`), ROUNDING, `${name} after ten steps`);
    }
  });
}

interface ResizeCase {
  from: number;
  to: number;
  input: number[];
  output: number[];
}

Deno.test("resized kernels and grids equal NumPy's pseudo-inverse and PyTorch's resize", async () => {
  const cases = JSON.parse(await Deno.readTextFile(fixture("pi_resize.json"))) as Record<
    string,
    ResizeCase[]
  >;
  const matrices: Record<string, (from: number, to: number) => Matrix> = {
    kernel: kernelResize,
    grid: gridResize,
  };
  for (const [kind, list] of Object.entries(cases)) {
    for (const { from, to, input, output } of list) {
      const difference = relativeNorm(resizeSquare(matrices[kind](from, to), input), output);
      assert.ok(difference < 1e-10, `${kind} ${from} to ${to}: ${difference}`);
    }
  }
});
