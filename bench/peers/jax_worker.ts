/**
 * jax-js on WebGPU.
 *
 * A whole step (its `valueAndGrad`, clip, AdamW) is one function under its `jit`. jax-js counts references: an array
 * passed to an operation is consumed, so every use here passes `.ref`. Its gradient of `take` is a shader that Deno's
 * WebGPU rejects (an atomic behind a pointer argument); so the gradient stops at the looked-up rows, and from there
 * the table's is gathered by lists of each token's places, made on the host as superbatch makes its own.
 */
import * as jax from "@jax-js/jax";
import { dualEncoderLoss, type Operations } from "./peer_model.ts";
import { type Case, serve } from "./protocol.ts";
import { patchify, readStart, signs } from "./step_file.ts";
import { CHECKED_STEPS, digest, isDecayed, NORM_EPSILON, operand, optimizer, type Work } from "./work.ts";

const { numpy: np, nn } = jax;
type Array1 = jax.numpy.Array;
type Step = Extract<Work, { kind: "step" }>;
/** Arrays by name; a type alias, because jax-js's trees accept no interfaces. */
type Tree = { [name: string]: Array1 };

if (!(await jax.init("webgpu")).includes("webgpu")) {
  throw new Error("jax-js found no WebGPU");
}
jax.defaultDevice("webgpu");

function attention(
  qkv: Array1,
  examples: number,
  tokens: number,
  heads: number,
): Array1 {
  const width = qkv.shape[1] / 3;
  const [q, k, v] = [0, 1, 2].map((part) =>
    qkv.ref.slice([], [part * width, (part + 1) * width]).reshape([
      examples,
      tokens,
      heads,
      width / heads,
    ])
  );
  return nn.dotProductAttention(q, k, v).reshape([examples * tokens, width]);
}

const operations: Operations<Array1> = {
  matmul: (a, b, transposeB = false) => np.matmul(a.ref, transposeB ? b.ref.transpose() : b.ref),
  add: (a, b) => a.ref.add(b.ref),
  mul: (a, b) => a.ref.mul(b.ref),
  exp: (x) => np.exp(x.ref),
  reshape: (x, shape) => x.ref.reshape(shape),
  layerNorm: (x, weight, bias) =>
    nn.standardize(x.ref, -1, { epsilon: NORM_EPSILON }).mul(weight.ref).add(
      bias.ref,
    ),
  gelu: (x) => nn.gelu(x.ref, { approximate: true }),
  attention,
  lastTokens(x, examples, tokens) {
    const width = x.shape[1];
    return x.ref.reshape([examples, tokens, width]).slice([], [
      tokens - 1,
      tokens,
    ], []).reshape([examples, width]);
  },
  normalizeRows: (y) => y.ref.div(np.sqrt(np.square(y.ref).sum(-1, { keepdims: true })).add(1e-8)),
  sigmoidLoss: (logits, signs, batch) => nn.logSigmoid(logits.ref.mul(signs.ref)).sum().mul(-1 / batch),
};

const filled = (salt: number, ...shape: number[]): Array1 =>
  np.array(operand(shape.reduce((a, b) => a * b), salt), { shape });

/** The operands of a kernel and its compiled function, which consumes what it is given. */
function kernel(
  work: Exclude<Work, Step>,
): { operands: Array1[]; call: (...x: Array1[]) => Array1 } {
  switch (work.kind) {
    case "product": {
      const { m, n, k, transposeA, transposeB } = work;
      const a = transposeA ? filled(1, k, m) : filled(1, m, k),
        b = transposeB ? filled(2, n, k) : filled(2, k, n);
      const call = jax.jit((a: Array1, b: Array1) =>
        np.matmul(
          transposeA ? a.transpose() : a,
          transposeB ? b.transpose() : b,
        )
      );
      return { operands: [a, b], call: call as (...x: Array1[]) => Array1 };
    }
    case "layer norm": {
      const call = jax.jit(operations.layerNorm);
      return {
        operands: [
          filled(1, work.rows, work.width),
          filled(2, work.width),
          filled(3, work.width),
        ],
        call: call as (...x: Array1[]) => Array1,
      };
    }
    case "attention": {
      const { examples, tokens, heads, headWidth } = work;
      const call = jax.jit((qkv: Array1) => attention(qkv, examples, tokens, heads));
      return {
        operands: [filled(1, examples * tokens, 3 * heads * headWidth)],
        call: call as (...x: Array1[]) => Array1,
      };
    }
  }
}

async function prepareKernel(work: Exclude<Work, Step>): Promise<Case> {
  const { operands, call } = kernel(work);
  const once = () => call(...operands.map((x) => x.ref));
  return {
    digest: digest(await once().data() as Float32Array),
    async run(runs) {
      for (let i = 1; i < runs; i++) await once().gpuBuffer(); // submits without waiting, and frees the result
      const last = once();
      await last.blockUntilReady();
      last.dispose();
    },
    release: () => operands.forEach((x) => x.dispose()),
  };
}

/**
 * Where each token of the vocabulary occurs, padded to the most frequent one's count.
 *
 * @returns `places` [V, C] rows of the batch's tokens, `counts` [V, C, 1] with 1 where a place is real
 */
function placesOf(tokens: Int32Array, vocabulary: number) {
  const lists = Array.from({ length: vocabulary }, (): number[] => []);
  tokens.forEach((token, place) => lists[token].push(place));
  const most = Math.max(...lists.map(({ length }) => length));
  const places = new Int32Array(vocabulary * most),
    counts = new Float32Array(vocabulary * most);
  lists.forEach((list, token) =>
    list.forEach((place, i) => {
      places[token * most + i] = place;
      counts[token * most + i] = 1;
    })
  );
  return {
    places: np.array(places, { shape: [vocabulary, most], dtype: np.int32 }),
    counts: np.array(counts, { shape: [vocabulary, most, 1] }),
  };
}

async function prepareStep({ config, batch, file }: Step): Promise<Case> {
  const start = await readStart(file), names = [...start.parameters.keys()];
  const { learningRate, beta1, beta2, epsilon, weightDecay, clipNorm } = optimizer;
  const patch = 3 * config.vision.patchSize ** 2;
  const inputs: Tree = {
    patches: np.array(patchify(start.pixels, config.vision), {
      shape: [start.pixels.length / patch, patch],
    }),
    tokens: np.array(start.tokens, {
      shape: [start.tokens.length],
      dtype: np.int32,
    }),
    signs: np.array(signs(batch), { shape: [batch, batch] }),
    ...placesOf(start.tokens, config.text.vocabulary),
  };
  const loss = (trained: Tree, patches: Array1, signs: Array1): Array1 =>
    dualEncoderLoss(operations, (name) => trained[name], config, batch, {
      patches,
      tokenRows: trained["token rows"],
      signs,
    });

  const step = jax.jit(
    (
      parameters: Tree,
      first: Tree,
      second: Tree,
      corrections: Array1,
      inputs: Tree,
    ) => {
      const { "text.token": table, ...others } = parameters;
      const tokenRows = np.take(table.ref, inputs.tokens.ref, 0);
      const trained: Tree = { "token rows": tokenRows };
      for (const [name, value] of Object.entries(others)) {
        trained[name] = value.ref;
      }
      const [value, { "token rows": rows, ...gradients }] = jax.valueAndGrad(
        loss,
      )(
        trained,
        inputs.patches.ref,
        inputs.signs.ref,
      ) as [Array1, Tree];
      gradients["text.token"] = np.take(rows, inputs.places.ref, 0).mul(
        inputs.counts.ref,
      ).sum(1);
      const norm = np.sqrt(
        names.map((name) => np.square(gradients[name].ref).sum()).reduce((
          a,
          b,
        ) => a.add(b)),
      );
      const factor = np.minimum(np.trueDivide(clipNorm, norm.add(1e-6)), 1);
      const next = {
        parameters: {} as Tree,
        first: {} as Tree,
        second: {} as Tree,
      };
      for (const name of names) {
        const gradient = gradients[name].ref.mul(factor.ref);
        const m = first[name].ref.mul(beta1).add(gradient.ref.mul(1 - beta1));
        const v = second[name].ref.mul(beta2).add(
          np.square(gradient).mul(1 - beta2),
        );
        // corrections: reciprocals of 1 − β₁ᵏ and 1 − β₂ᵏ
        const root = np.sqrt(v.ref.mul(corrections.ref.slice(1))).add(epsilon);
        const change = m.ref.mul(corrections.ref.slice(0)).mul(learningRate)
          .div(root);
        const keep = isDecayed(name) ? 1 - learningRate * weightDecay : 1;
        next.parameters[name] = parameters[name].ref.mul(keep).sub(change);
        next.first[name] = m;
        next.second[name] = v;
      }
      return { ...next, loss: value };
    },
  );

  const tree = (make: (name: string) => Array1) =>
    Object.fromEntries(names.map((name) => [name, make(name)])) as Tree;
  const shapeOf = (name: string) => [...start.parameters.get(name)!.shape];
  let parameters = tree((name) => np.array(start.parameters.get(name)!.data, { shape: shapeOf(name) }));
  let first = tree((name) => np.zeros(shapeOf(name))),
    second = tree((name) => np.zeros(shapeOf(name)));
  let done = 0;
  const advance = async (): Promise<Array1> => {
    done++;
    const corrections = np.array(
      Float32Array.of(1 / (1 - beta1 ** done), 1 / (1 - beta2 ** done)),
      { shape: [2] },
    );
    const next = step(
      parameters,
      first,
      second,
      corrections,
      jax.tree.ref(inputs) as Tree,
    );
    ({ parameters, first, second } = next as {
      parameters: Tree;
      first: Tree;
      second: Tree;
    });
    // Submits the step without waiting for it.
    await (next.loss.ref as Array1).gpuBuffer();
    return next.loss as Array1;
  };
  const losses: number[] = [];
  for (let i = 0; i < CHECKED_STEPS; i++) {
    losses.push((await (await advance()).data())[0]);
  }
  return {
    losses,
    async run(runs) {
      for (let i = 1; i < runs; i++) (await advance()).dispose();
      const last = await advance();
      await last.blockUntilReady();
      last.dispose();
    },
    release: () => [parameters, first, second, inputs].forEach((tree) => jax.tree.dispose(tree)),
  };
}

await serve((work) => work.kind === "step" ? prepareStep(work) : prepareKernel(work));
