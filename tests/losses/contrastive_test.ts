import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { planMemory } from "../../src/graph/memory_plan.ts";
import { contrastiveLoss, type LossName } from "../../src/losses/contrastive.ts";
import { sharesDevice } from "../gpu/device.ts";
import { assertClose } from "../reference/compare.ts";
import { sigmoidLoss, softmaxLoss } from "../reference/contrastive_loss.ts";
import { l2Normalize } from "../reference/l2_normalize.ts";
import { runOp } from "../ops/run_graph.ts";
import { randomArray } from "../reference/random_array.ts";

const references = { sigmoid: sigmoidLoss, softmax: softmaxLoss };
const names = ["image", "text", "logitScale", "logitBias"] as const;

// SigLIP's start is t = log 10, β = −10. The other scales make logits of up to ±1000 and of nearly 0.
const cases: [batch: number, width: number, t: number, bias: number][] = [
  [1, 1, Math.log(10), -10],
  [3, 5, Math.log(10), -10],
  [5, 8, 0, 0],
  [64, 12, Math.log(10), -10],
  [65, 7, Math.log(100), -10],
  [130, 192, Math.log(10), -10],
  [5, 8, Math.log(1000), -200],
  [65, 8, Math.log(1000), 300],
  [5, 8, -20, -10],
];

/** Unit rows in which pair i resembles itself: a text is its image and some noise. */
function pairs(batch: number, width: number) {
  const image = l2Normalize(randomArray(1, batch * width), width), noise = randomArray(2, batch * width, 0.5);
  const text = l2Normalize(image.map((value, at) => value + noise[at]), width);
  return [image, text].map((rows) => ({ shape: [batch, width], data: Float32Array.from(rows) }));
}

/** The loss and its four gradients; a gradient is read as the output of a run of its own. */
async function run(
  name: LossName,
  inputs: Record<(typeof names)[number], { shape: number[]; data: Float32Array }>,
  blockBytes?: number,
) {
  const read = async (part: number) =>
    (await runOp(inputs, (graph, t) => {
      const { image, text, logitScale, logitBias } = t;
      const { loss, seeds } = contrastiveLoss(graph, { image, text, logitScale, logitBias }, name, {
        blockBytes,
      });
      return part < 0 ? loss : seeds[part][1];
    })).output;
  return { loss: await read(-1), gradients: await Promise.all(names.map((_, part) => read(part))) };
}

// In blocks of 64 rows: two whole, whole and ragged, three and ragged.
const blocked: typeof cases = [
  [128, 8, Math.log(10), -10],
  [65, 7, Math.log(100), -10],
  [200, 12, Math.log(10), -10],
  [130, 8, Math.log(1000), 300],
];

for (const name of ["sigmoid", "softmax"] as const) {
  for (const [at, [batch, width, t, bias]] of [...cases, ...blocked].entries()) {
    const blocks = at >= cases.length ? Math.ceil(batch / 64) : 1;
    Deno.test(
      {
        name: `${name} loss of ${batch} pairs, t ${t.toFixed(2)}, β ${bias}, ${blocks} blocks`,
        ...sharesDevice,
      },
      async () => {
        const [image, text] = pairs(batch, width);
        const scalar = (value: number) => ({ shape: [1], data: Float32Array.of(value) });
        const inputs = { image, text, logitScale: scalar(t), logitBias: scalar(bias) };
        const { loss, gradients } = await run(name, inputs, blocks > 1 ? 64 * batch * 4 : undefined);
        const host = Object.fromEntries(names.map((part) => [part, Float64Array.from(inputs[part].data)]));
        const expected = references[name](
          { image: host.image, text: host.text, logitScale: host.logitScale, logitBias: host.logitBias },
          batch,
        );
        // A logit is α times a rounded product plus β, so its error is of the size of α + |β|, and so is the loss's;
        // that of a weight σ(logit) is the logit's, and of the gradients α times it.
        const alpha = Math.exp(host.logitScale[0]), logit = alpha + Math.abs(bias);
        assertClose(loss, [expected.loss], {
          name: "loss",
          reduction: width + batch,
          scale: Math.max(1, logit),
        });
        const scales = [alpha * logit / batch, alpha * logit / batch, alpha * logit, logit].map((s) =>
          Math.max(1e-3, s)
        );
        const values = [expected.dimage, expected.dtext, expected.dlogitScale, expected.dlogitBias];
        gradients.forEach((gradient, part) =>
          assertClose(gradient, values[part], {
            name: `gradient of ${names[part]}`,
            reduction: width + batch,
            scale: scales[part],
          })
        );
        if (name === "softmax") assert.equal(gradients[3][0], 0, "β cancels");
      },
    );
  }
}

Deno.test({ name: "a loss that leaves out a pair fails", ...sharesDevice }, async () => {
  const [image, text] = pairs(5, 8),
    scalar = (value: number) => ({ shape: [1], data: Float32Array.of(value) });
  const { loss } = await run("sigmoid", { image, text, logitScale: scalar(0), logitBias: scalar(0) });
  const shorter = { shape: [4, 8], data: image.data.subarray(0, 32) };
  const partial = await run("sigmoid", {
    image: shorter,
    text: { shape: [4, 8], data: text.data.subarray(0, 32) },
    logitScale: scalar(0),
    logitBias: scalar(0),
  });
  assert.throws(() => assertClose(partial.loss, loss, { name: "loss", reduction: 13 }), /worst at 0/);
});

for (const name of ["sigmoid", "softmax"] as const) {
  Deno.test(`the ${name} loss of 8192 pairs stores no more than 16 MiB at a time, and misses no row`, () => {
    const graph = new Graph(), scalar = graph.constant("scalar", [1], new Float32Array(1));
    const rows = () => graph.constant("embeddings", [8192, 64], new Float32Array(1));
    const { seeds } = contrastiveLoss(
      graph,
      { image: rows(), text: rows(), logitScale: scalar, logitBias: scalar },
      name,
    );
    assert.deepEqual(seeds.map(([, gradient]) => gradient.shape), [[8192, 64], [8192, 64], [1], [1]]);
    const { slots, plannedBytes } = planMemory(graph);
    assert.equal(slots[0].sizeBytes, 16 * 2 ** 20);
    assert.ok(plannedBytes < 48 * 2 ** 20, `${plannedBytes}`);
    const losses = graph.dispatches.filter(({ entry }) => entry === `${name}_loss`);
    assert.deepEqual(
      losses.map(({ uniform }) => uniform!.values.first),
      Array.from({ length: 16 }, (_, at) => at * 512),
    );
    const products = name === "sigmoid" ? 3 : 4; // the softmax computes its dot products twice
    const flops = graph.dispatches.reduce((sum, dispatch) => sum + dispatch.flops, 0);
    assert.equal(flops, products * 2 * 8192 ** 2 * 64);
  });
}

Deno.test("losses refuse embeddings of different shapes", () => {
  const graph = new Graph(), scalar = graph.temporary("scalar", [1]);
  const pairing = { image: graph.temporary("image", [4, 8]), text: graph.temporary("text", [4, 7]) };
  assert.throws(
    () => contrastiveLoss(graph, { ...pairing, logitScale: scalar, logitBias: scalar }, "sigmoid"),
    { name: "TypeError", message: /\[4,7\].*expected \[4,8\]/ },
  );
});
