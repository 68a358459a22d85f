import assert from "node:assert/strict";
import { DualEncoder } from "../../src/models/model.ts";
import { DivergenceError, Trainer } from "../../src/train/trainer.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { jointOptions, randomPairs, tinyModel, uniformOptions } from "./tiny.ts";

Deno.test(
  { name: "a log that is not read for 64 steps stops the training until it is", ...sharesDevice },
  async () => {
    using model = tinyModel(await testDevice());
    using trainer = await Trainer.create(model, { ...uniformOptions, steps: 200 });
    const batch = randomPairs(8);
    for (let step = 1; step <= 64; step++) trainer.step(batch);
    assert.equal(trainer.logCapacity, 0);
    assert.throws(() => trainer.step(batch), {
      name: "RangeError",
      message: /readLog\(\) at least every 64 steps/,
    });
    const first = await trainer.readLog();
    for (let step = 65; step <= 70; step++) trainer.step(batch);
    const second = await trainer.readLog();
    const steps = [...first, ...second].map(({ step }) => step);
    assert.deepEqual(steps, Array.from({ length: 70 }, (_, i) => i + 1));
    assert.deepEqual(await trainer.readLog(), []);
    assert.ok(second[5].loss < first[0].loss, "rows are of their own steps");
  },
);

Deno.test({ name: "steps beyond the end are refused", ...sharesDevice }, async () => {
  using model = tinyModel(await testDevice());
  using trainer = await Trainer.create(model, { ...uniformOptions, steps: 1 });
  trainer.step(randomPairs(8));
  assert.throws(() => trainer.step(randomPairs(8)), { name: "RangeError", message: /all 1 steps are done/ });
});

Deno.test(
  { name: "super-batches of the wrong size are refused, and the training goes on", ...sharesDevice },
  async () => {
    using model = tinyModel(await testDevice());
    using trainer = await Trainer.create(model, jointOptions);
    const batch = randomPairs(24), { pixels, tokens, reference } = batch;
    const bad: [typeof batch | Omit<typeof batch, "reference">, RegExp][] = [
      [
        { ...batch, pixels: pixels.subarray(1) },
        /pixels of a super-batch of 24 has 4607 elements, expected 4608/,
      ],
      [
        { ...batch, tokens: tokens.subarray(5) },
        /tokens of a super-batch of 24 has 115 elements, expected 120/,
      ],
      [{ pixels, tokens }, /reference image embeddings.* has 0 elements, expected 192/],
      [
        { ...batch, reference: { ...reference, text: reference.text.subarray(8) } },
        /reference text embeddings.* has 184 elements, expected 192/,
      ],
    ];
    for (const [given, message] of bad) {
      assert.throws(() => trainer.step(given), {
        name: "TypeError",
        message,
      });
    }
    assert.throws(() => trainer.step({ ...batch, tokens: tokens.map(() => 300) }), {
      name: "RangeError",
      message: /Token 300 lies outside the vocabulary of 300/,
    });
    trainer.step(batch);
    assert.deepEqual((await trainer.readLog()).map(({ step }) => step), [1]);
  },
);

Deno.test({ name: "a sampler that scores needs a reference", ...sharesDevice }, async () => {
  using model = tinyModel(await testDevice());
  await assert.rejects(Trainer.create(model, { ...jointOptions, reference: undefined }), {
    name: "TypeError",
    message: /sampler "joint" goes by learnability, which needs a reference: give its scale, bias and width/,
  });
});

Deno.test({ name: "shapes that do not fit are refused", ...sharesDevice }, async () => {
  using model = tinyModel(await testDevice());
  const refused = (options: Partial<typeof jointOptions>, message: RegExp) =>
    assert.rejects(Trainer.create(model, { ...jointOptions, ...options }), { name: "RangeError", message });
  await refused({ superBatch: 7 }, /select 8 of 7 examples/);
  await refused({ batch: 0 }, /select 0 of 24/);
  await refused({ patchSize: 3 }, /pictures of 8 pixels into patches of 3/);
  await refused({ steps: 0 }, /training has 0 steps: give a whole number, 1 or more/);
  await refused({ learningRate: NaN }, /"learningRate" is NaN: give a finite number/);
  await refused({ gain: Infinity }, /"gain" is Infinity/);
});

Deno.test({
  name: "a loss that is no number is named with its step, and the weights are kept",
  ...sharesDevice,
}, async () => {
  using model = tinyModel(await testDevice());
  using trainer = await Trainer.create(model, { ...uniformOptions, learningRate: 1e30 });
  for (let step = 1; step <= 4; step++) trainer.step(randomPairs(8, step));
  await assert.rejects(trainer.readLog(), (error: Error) => {
    assert.ok(error instanceof DivergenceError);
    assert.equal(error.name, "DivergenceError");
    assert.match(error.message, /in step 2: training cannot go on\. Use a lower learning rate/);
    assert.deepEqual(error.logs.map(({ step, loss }) => [step, Number.isFinite(loss)]), [[1, true]]);
    return true;
  });
  for (const [name, { data }] of await model.parameters.read()) assert.ok(data.every(Number.isFinite), name);
});

Deno.test({
  name: "a model that was loaded to embed is not trained, one loaded to train is",
  ...sharesDevice,
}, async () => {
  const device = await testDevice();
  using model = tinyModel(device);
  const bytes = await model.save();
  using embeds = DualEncoder.load(device, bytes);
  await assert.rejects(Trainer.create(embeds, uniformOptions), {
    name: "TypeError",
    message: /no room for gradients: create or load it with \{ trainable: true \}/,
  });
  using trains = DualEncoder.load(device, bytes, { trainable: true });
  using trainer = await Trainer.create(trains, uniformOptions);
  trainer.step(randomPairs(8));
  assert.ok((await trainer.readLog())[0].loss > 0);
});

Deno.test(
  { name: "a reference that cannot score is refused, before or in its first step", ...sharesDevice },
  async () => {
    using model = tinyModel(await testDevice());
    const { reference } = jointOptions;
    for (const logitScale of [0, -3, NaN, Infinity]) {
      await assert.rejects(
        Trainer.create(model, { ...jointOptions, reference: { ...reference!, logitScale } }),
        {
          name: "RangeError",
          message: /logit scale is .*give finite numbers, α > 0/,
        },
      );
    }
    using trainer = await Trainer.create(model, jointOptions);
    const batch = randomPairs(24);
    trainer.step({
      ...batch,
      reference: { ...batch.reference, image: batch.reference.image.map(() => NaN) },
    });
    await assert.rejects(trainer.readLog(), {
      name: "DivergenceError",
      message: /learnability was NaN in step 1/,
    });
  },
);

Deno.test({
  name: "an unknown sampler, score or loss is refused by name, and undefined options keep their defaults",
  ...sharesDevice,
}, async () => {
  using model = tinyModel(await testDevice());
  await assert.rejects(Trainer.create(model, { ...uniformOptions, sampler: "best" as "joint" }), {
    name: "RangeError",
    message: /no sampler "best": choose one of joint, independent, uniform, gibbs, top-k/,
  });
  const refused = (options: Record<string, string>, message: RegExp) =>
    assert.rejects(Trainer.create(model, { ...jointOptions, ...options }), { name: "RangeError", message });
  await refused(
    { score: "best" },
    /no score "best": choose one of learnability, easy-reference, hard-learner/,
  );
  await refused({ loss: "best" }, /no loss "best": choose one of sigmoid, softmax/);
  await refused({ sampler: "top-k", score: "hard-learner" }, /"top-k" cannot go by hard-learner/);
  using trainer = await Trainer.create(model, { ...uniformOptions, superBatch: undefined });
  assert.equal(trainer.options.superBatch, uniformOptions.batch);
});
