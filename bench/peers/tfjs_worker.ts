/**
 * TensorFlow.js on WebGPU.
 *
 * It runs eagerly, so a step is one kernel an operation. Forward and backward are its own autodiff (`variableGrads`);
 * its operations were chosen for the fewest kernels. It has no AdamW: clip and update are written out here over one
 * flat vector, which is some twenty kernels where its per-variable optimisers would take hundreds. Losses stay on the
 * GPU until the last step.
 */
import * as tf from "@tensorflow/tfjs-core";
// Importing the layers registers the gradients, which the core leaves out; nothing else is used of them.
import "@tensorflow/tfjs-layers";
import "@tensorflow/tfjs-backend-webgpu";
import { dualEncoderLoss, type Operations } from "./peer_model.ts";
import { type Case, serve } from "./protocol.ts";
import { patchify, readStart, signs } from "./step_file.ts";
import { CHECKED_STEPS, digest, isDecayed, NORM_EPSILON, operand, optimizer, type Work } from "./work.ts";

type Step = Extract<Work, { kind: "step" }>;

if (!await tf.setBackend("webgpu")) {
  throw new Error("TensorFlow.js found no WebGPU");
}
await tf.ready();

const GELU_SCALE = Math.sqrt(2 / Math.PI);

function attention(
  qkv: tf.Tensor,
  examples: number,
  tokens: number,
  heads: number,
): tf.Tensor {
  const headWidth = qkv.shape[1]! / 3 / heads;
  const packed = tf.transpose(
    tf.reshape(qkv, [examples, tokens, 3, heads, headWidth]),
    [2, 0, 3, 1, 4],
  );
  const [q, k, v] = tf.unstack(packed);
  const weights = tf.softmax(
    tf.mul(tf.matMul(q, k, false, true), headWidth ** -0.5),
  );
  const mixed = tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]);
  return tf.reshape(mixed, [examples * tokens, heads * headWidth]);
}

const operations: Operations<tf.Tensor> = {
  matmul: (a, b, transposeB = false) => tf.matMul(a, b, false, transposeB),
  add: tf.add,
  mul: tf.mul,
  exp: tf.exp,
  reshape: tf.reshape,
  layerNorm(x, weight, bias) {
    const { mean, variance } = tf.moments(x, -1, true);
    const unit = tf.mul(
      tf.sub(x, mean),
      tf.rsqrt(tf.add(variance, NORM_EPSILON)),
    );
    return tf.add(tf.mul(unit, weight), bias);
  },
  gelu(x) {
    const inner = tf.mul(
      tf.mul(x, tf.add(tf.mul(tf.square(x), 0.044715), 1)),
      GELU_SCALE,
    );
    return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
  },
  attention,
  lastTokens(x, examples, tokens) {
    const width = x.shape[1]!,
      last = tf.slice(tf.reshape(x, [examples, tokens, width]), [
        0,
        tokens - 1,
        0,
      ], [-1, 1, -1]);
    return tf.reshape(last, [examples, width]);
  },
  normalizeRows: (y) => tf.div(y, tf.add(tf.sqrt(tf.sum(tf.square(y), -1, true)), 1e-8)),
  // softplus, because the gradient of its logSigmoid reads a tensor that it has already freed
  sigmoidLoss: (logits, signs, batch) =>
    tf.mul(tf.sum(tf.softplus(tf.neg(tf.mul(logits, signs)))), 1 / batch),
};

/** Waits for everything submitted so far by reading one number that depends on the last result. */
async function waitFor(last: tf.Tensor): Promise<void> {
  const one = tf.slice(tf.reshape(last, [-1]), [0], [1]);
  await one.data();
  one.dispose();
}

async function prepareKernel(work: Exclude<Work, Step>): Promise<Case> {
  const operands: tf.Tensor[] = [];
  const filled = (salt: number, ...shape: number[]) => {
    const tensor = tf.tensor(
      operand(shape.reduce((a, b) => a * b), salt),
      shape,
    );
    operands.push(tensor);
    return tensor;
  };
  let once: () => tf.Tensor;
  switch (work.kind) {
    case "product": {
      const { m, n, k, transposeA, transposeB } = work;
      const a = transposeA ? filled(1, k, m) : filled(1, m, k),
        b = transposeB ? filled(2, n, k) : filled(2, k, n);
      once = () => tf.matMul(a, b, transposeA, transposeB);
      break;
    }
    case "layer norm": {
      const x = filled(1, work.rows, work.width),
        weight = filled(2, 1, work.width),
        bias = filled(3, 1, work.width);
      // Its fused normalisation serves forward; its gradient does not take means of rows.
      once = () => {
        const { mean, variance } = tf.moments(x, -1, true);
        return tf.batchNorm(x, mean, variance, bias, weight, NORM_EPSILON);
      };
      break;
    }
    case "attention": {
      const { examples, tokens, heads, headWidth } = work;
      const qkv = filled(1, examples * tokens, 3 * heads * headWidth);
      once = () => attention(qkv, examples, tokens, heads);
    }
  }
  const first = tf.tidy(once),
    result = digest(await first.data() as Float32Array);
  first.dispose();
  return {
    digest: result,
    async run(runs) {
      for (let i = 1; i < runs; i++) tf.tidy(once).dispose();
      const last = tf.tidy(once);
      await waitFor(last);
      last.dispose();
    },
    release: () => tf.dispose(operands),
  };
}

/** Parameters and moments as flat vectors, and variables for autodiff that are cut from them. */
async function prepareStep({ config, batch, file }: Step): Promise<Case> {
  const start = await readStart(file), names = [...start.parameters.keys()];
  const variables = new Map(names.map((name) => {
    const { shape, data } = start.parameters.get(name)!;
    return [name, tf.variable(tf.tensor(data, [...shape]), true)];
  }));
  const sizes = names.map((name) => start.parameters.get(name)!.data.length);
  const total = sizes.reduce((a, b) => a + b);
  const decayed = new Float32Array(total), parameters = new Float32Array(total);
  let offset = 0;
  names.forEach((name, i) => {
    parameters.set(start.parameters.get(name)!.data, offset);
    decayed.fill(isDecayed(name) ? 1 : 0, offset, offset += sizes[i]);
  });
  const { learningRate, beta1, beta2, epsilon, weightDecay, clipNorm } = optimizer;
  const keep = tf.tensor1d(
    decayed.map((is) => 1 - learningRate * weightDecay * is),
  );
  let flat: tf.Tensor = tf.tensor1d(parameters),
    first: tf.Tensor = tf.zeros([total]),
    second: tf.Tensor = tf.zeros([total]);
  const patches = tf.tensor(patchify(start.pixels, config.vision), [
    start.pixels.length / (3 * config.vision.patchSize ** 2),
    3 * config.vision.patchSize ** 2,
  ]);
  const tokens = tf.tensor1d(start.tokens, "int32"),
    sign = tf.tensor2d(signs(batch), [batch, batch]);
  const trainable = names.map((name) => variables.get(name)!);
  let done = 0, loss: tf.Tensor = tf.scalar(0);

  const step = () => {
    done++;
    const [nextLoss, nextFlat, nextFirst, nextSecond, ...next] = tf.tidy(() => {
      const get = (name: string) => variables.get(name)!;
      const { value, grads } = tf.variableGrads(
        () =>
          dualEncoderLoss<tf.Tensor>(operations, get, config, batch, {
            patches,
            tokenRows: tf.gather(get("text.token"), tokens),
            signs: sign,
          }) as tf.Scalar,
        trainable,
      );
      const gradient = tf.concat(
        trainable.map((variable) => tf.reshape(grads[variable.name], [-1])),
      );
      const norm = tf.sqrt(tf.sum(tf.square(gradient)));
      const clipped = tf.mul(
        gradient,
        tf.minimum(tf.div(clipNorm, tf.add(norm, 1e-6)), 1),
      );
      const m = tf.add(tf.mul(first, beta1), tf.mul(clipped, 1 - beta1));
      const v = tf.add(
        tf.mul(second, beta2),
        tf.mul(tf.square(clipped), 1 - beta2),
      );
      const root = tf.add(tf.sqrt(tf.mul(v, 1 / (1 - beta2 ** done))), epsilon);
      const change = tf.div(
        tf.mul(m, learningRate / (1 - beta1 ** done)),
        root,
      );
      const p = tf.sub(tf.mul(flat, keep), change);
      return [value, p, m, v, ...tf.split(p, sizes)];
    });
    trainable.forEach((variable, i) => {
      const shaped = tf.reshape(next[i], variable.shape);
      variable.assign(shaped);
      tf.dispose([next[i], shaped]);
    });
    tf.dispose([loss, flat, first, second]);
    [loss, flat, first, second] = [nextLoss, nextFlat, nextFirst, nextSecond];
  };
  const losses: number[] = [];
  for (let i = 0; i < CHECKED_STEPS; i++) {
    step();
    losses.push((await loss.data())[0]);
  }
  return {
    losses,
    async run(runs) {
      for (let i = 0; i < runs; i++) step();
      await loss.data();
      // The update comes after the loss: wait for it too.
      await waitFor(flat);
    },
    release: () => {
      tf.dispose([
        ...trainable,
        loss,
        flat,
        first,
        second,
        keep,
        patches,
        tokens,
        sign,
      ]);
    },
  };
}

await serve((work) => work.kind === "step" ? prepareStep(work) : prepareKernel(work));
