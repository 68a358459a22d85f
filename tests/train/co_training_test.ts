/** Flexi-JEST: super-batches scored at coarse patches, and a share of each batch trained at them. */
import assert from "node:assert/strict";
import { placesByResolution } from "../../src/train/co_training.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";
import { relativeNorm } from "../reference/compare.ts";
import { sigmoidLoss } from "../reference/contrastive_loss.ts";
import { jointOptions, randomPairs, tinyModel, uniformOptions } from "./tiny.ts";

Deno.test("a coarse share of one half takes the odd places, as the paper's code", () => {
  assert.deepEqual(placesByResolution(0, 8, 0.5), { fine: [0, 2, 4, 6], coarse: [1, 3, 5, 7] });
});

for (const share of [0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1]) {
  Deno.test(`a coarse share of ${share} is met, evenly, and alike in runs of the batch`, () => {
    for (const batch of [1, 3, 10, 64, 1000]) {
      const { fine, coarse } = placesByResolution(0, batch, share);
      assert.equal(coarse.length, Math.floor(batch * share + 1e-9));
      assert.deepEqual(
        [...fine, ...coarse].toSorted((a, b) => a - b),
        Array.from({ length: batch }, (_, i) => i),
      );
      coarse.forEach((place, at) => assert.ok(Math.abs((place + 1) * share - at - 1) < 1));
      const cut = Math.ceil(batch / 3),
        [head, tail] = [[0, cut], [cut, batch]].map(([from, to]) =>
          placesByResolution(from, to, share).coarse.map((place) => place + from)
        );
      assert.deepEqual([...head, ...tail], coarse);
    }
  });
}

const flexi: TrainerOptions = { ...jointOptions, patchSize: 2, scorePatchSize: 4, coarseShare: 0.5 };

for (const pool of ["map", "flatten"] as const) {
  Deno.test(
    { name: `the loss is that of embeddings at two resolutions, ${pool}`, ...sharesDevice },
    async () => {
      const device = await testDevice(), data = randomPairs(24);
      using model = tinyModel(device, { pool });
      using trainer = await Trainer.create(model, flexi);
      const [fine, coarse, text] = [
        await model.embedImages(data.pixels, { patchSize: 2 }),
        await model.embedImages(data.pixels, { patchSize: 4 }),
        await model.embedTexts(data.tokens),
      ];
      const { logitScale, logitBias } = await model.logitScaleAndBias();
      trainer.step(data);
      const [{ loss, selected }] = await trainer.readLog();
      const rows = (all: Float32Array, place: number) => all.subarray(place * 16, (place + 1) * 16);
      const chosen = (all: (at: number) => Float32Array) =>
        Float64Array.from([...selected].flatMap((place, at) => [...rows(all(at), place)]));
      const { loss: expected } = sigmoidLoss({
        image: chosen((at) => at % 2 ? coarse : fine),
        text: chosen(() => text),
        logitScale: Float64Array.of(Math.log(logitScale)),
        logitBias: Float64Array.of(logitBias),
      }, 8);
      assert.ok(Math.abs(loss / expected - 1) < 1e-5, `${loss}, expected ${expected}`);
    },
  );

  Deno.test(
    { name: `gradients of a co-trained step are the loss's slope, ${pool}`, ...sharesDevice },
    async () => {
      const device = await testDevice(), data = randomPairs(8);
      const options = { ...uniformOptions, patchSize: 2, scorePatchSize: 4, coarseShare: 0.5 };
      using model = tinyModel(device, { pool });
      const start = await model.parameters.read();
      const lossAt = async (weights: typeof start) => {
        for (const [name, { data }] of weights) model.parameters.write(name, data as Float32Array);
        using trainer = await Trainer.create(model, options);
        trainer.step(data);
        const [{ loss }] = await trainer.readLog();
        return { loss, gradients: await model.parameters.read("gradients") };
      };
      const { gradients } = await lossAt(start);
      for (
        const name of ["image.patch.kernel", "image.position", "image.block.0.mlp.in.weight", "text.token"]
      ) {
        const { data: slope } = gradients.get(name)!, norm = Math.hypot(...slope);
        assert.ok(norm > 0, `${name} has no gradient`);
        const moved = async (by: number) => {
          const { shape, data } = start.get(name)!;
          const there = new Map(start).set(name, {
            shape,
            data: data.map((value, i) => value + by * slope[i] / norm),
          });
          return (await lossAt(there)).loss;
        };
        const h = 0.02, rise = (await moved(h) - await moved(-h)) / (2 * h);
        assert.ok(Math.abs(rise / norm - 1) < 0.02, `${name}: slope ${rise}, gradient ${norm}`);
      }
    },
  );
}

Deno.test({ name: "what is selected depends on the coarse patches alone", ...sharesDevice }, async () => {
  const device = await testDevice(), data = randomPairs(24);
  const selected = async (options: TrainerOptions) => {
    using model = tinyModel(device);
    using trainer = await Trainer.create(model, options);
    trainer.step(data);
    const log = await trainer.readLog();
    return { selected: log[0].selected, flops: trainer.flops, loss: log[0].loss };
  };
  const both = await selected(flexi), scoring = await selected({ ...flexi, coarseShare: 0 });
  const coarse = await selected({ ...jointOptions, patchSize: 4 });
  const whole = await selected({ ...flexi, coarseShare: 1 });
  const fine = await selected({ ...jointOptions, patchSize: 2 });
  assert.deepEqual(both.selected, scoring.selected);
  assert.deepEqual(both.selected, coarse.selected);
  assert.equal(whole.loss, coarse.loss);
  assert.notEqual(both.loss, scoring.loss);
  assert.equal(scoring.flops.score, coarse.flops.score);
  assert.ok(both.flops.score < fine.flops.score / 1.5);
  assert.ok(both.flops.train < scoring.flops.train && both.flops.train > coarse.flops.train);
});

for (const [options, microBatch] of [[flexi, 3], [flexi, 5], [{ ...flexi, coarseShare: 1 }, 4]] as const) {
  Deno.test({
    name:
      `co-trained micro-batches of ${microBatch} at share ${options.coarseShare} have the batch's gradients`,
    ...sharesDevice,
  }, async () => {
    const gradients = async (options: TrainerOptions) => {
      using model = tinyModel(await testDevice());
      using trainer = await Trainer.create(model, options);
      trainer.step(randomPairs(24));
      const [{ loss, selected }] = await trainer.readLog();
      return { loss, selected, gradients: await model.parameters.read("gradients") };
    };
    const whole = await gradients(options), parts = await gradients({ ...options, microBatch });
    assert.deepEqual(parts.selected, whole.selected);
    assert.ok(Math.abs(parts.loss / whole.loss - 1) < 1e-6);
    for (const [name, { data }] of whole.gradients) {
      const difference = relativeNorm(parts.gradients.get(name)!.data, data);
      assert.ok(difference < 2e-6, `${name} differs by ${difference}`);
    }
  });
}

const dropping: TrainerOptions = { ...jointOptions, patchSize: 2, scoreDrop: 0.5, coarseShare: 0.5 };

for (const pool of ["map", "flatten"] as const) {
  Deno.test({ name: `dropping half of the patches costs about half, ${pool}`, ...sharesDevice }, async () => {
    const run = async (options: TrainerOptions, steps = 2) => {
      using model = tinyModel(await testDevice(), { pool });
      using trainer = await Trainer.create(model, { ...options, learningRate: 1e-9 });
      for (let step = 0; step < steps; step++) trainer.step(randomPairs(24));
      const logs = await trainer.readLog();
      const gradients = await model.parameters.read("gradients");
      for (const [name, { data }] of gradients) {
        assert.ok(data.some((value) => value !== 0), `${name} has no gradient`);
      }
      return { logs, flops: trainer.flops };
    };
    const whole = await run({ ...dropping, scoreDrop: 0, coarseShare: 0 });
    const half = await run(dropping), again = await run(dropping);
    assert.deepEqual(half, again, "the same seed draws the same patches");
    // The image tower has 16 tokens or 8, the text tower 5 in either case.
    assert.ok(half.flops.score < 0.75 * whole.flops.score, JSON.stringify([half.flops, whole.flops]));
    assert.ok(half.flops.train < 0.9 * whole.flops.train);
    // The same super-batch twice, by a learner that stands still: only the patches differ.
    assert.notEqual(half.logs[0].batchLearnability, half.logs[1].batchLearnability);
    const micro = await run({ ...dropping, microBatch: 3 }, 1);
    assert.deepEqual(micro.logs[0].selected, half.logs[0].selected);
    assert.ok(
      Math.abs(micro.logs[0].loss / half.logs[0].loss - 1) < 1e-6,
      "parts drop the patches of the whole",
    );
  });
}

for (const pool of ["map", "flatten"] as const) {
  for (const coarse of [{ scorePatchSize: 4 }, { scoreDrop: 0.5 }]) {
    const name = `half precision trains at two resolutions too, ${pool}, ${JSON.stringify(coarse)}`;
    Deno.test({ name, ...sharesDevice }, async () => {
      const loss = async (precision: "f32" | "f16") => {
        using model = tinyModel(await testDevice(), { pool });
        using trainer = await Trainer.create(model, {
          ...jointOptions,
          ...coarse,
          patchSize: 2,
          coarseShare: 0.5,
          precision,
        });
        trainer.step(randomPairs(24));
        return (await trainer.readLog())[0].loss;
      };
      const [full, half] = [await loss("f32"), await loss("f16")];
      assert.notEqual(half, full);
      assert.ok(Math.abs(half / full - 1) < 2e-3, `${half}, in f32 ${full}`);
    });
  }
}

Deno.test({ name: "impossible resolutions are refused", ...sharesDevice }, async () => {
  const device = await testDevice();
  using model = tinyModel(device);
  for (
    const [options, message] of [
      [{ coarseShare: 1.5 }, "The coarse share is 1.5: give a number from 0 to 1"],
      [{ coarseShare: NaN }, "The coarse share is NaN: give a number from 0 to 1"],
      [{ scorePatchSize: 3 }, /patches of 3/],
      [{ scoreDrop: 1 }, "The share of dropped patches is 1: give 0 or more, below 1"],
    ] as const
  ) {
    await assert.rejects(Trainer.create(model, { ...flexi, ...options }), { name: "RangeError", message });
  }
});
