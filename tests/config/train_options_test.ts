import assert from "node:assert/strict";
import { armScore, trainOptions, type TrainOptionsInput } from "../../src/config/train_options.ts";

Deno.test("nothing given is the default experiment", () => {
  assert.deepEqual(trainOptions({}), {
    steps: 320,
    seed: 1,
    batch: 64,
    filterRatio: 0.9,
    chunks: 8,
    gain: 100,
    sampler: "joint",
    score: "learnability",
    loss: "sigmoid",
    iterations: 2000,
    patch: null,
    scorePatch: null,
    scoreDrop: 0,
    coarseShare: null,
    preset: "mini",
    imageSize: 32,
    microBatch: null,
    precision: "f32",
    recompute: false,
    reuseScoring: false,
    memory: null,
    compare: null,
    out: "runs",
    name: "train",
    poolSize: 20_000,
    inDomain: 0.1,
    captionNoise: 0,
    duplicates: 0,
    unknownConcepts: 0,
    heldOutConcepts: 0,
    dataSeed: 1,
    referenceSteps: 800,
    learningRate: 5e-3,
    warmUp: 0.1,
    beta2: 0.95,
    referenceData: "curated",
    pool: null,
    curated: null,
    test: null,
    task: null,
    testShare: 0.1,
    dataMemory: null,
    mix: null,
    maxBad: 0.1,
    taskExamples: 200,
    taskPairs: 1000,
    referencePreset: null,
    init: null,
    lock: null,
    layerDecay: 1,
    reference: null,
    references: 1,
    uniformShare: 0,
    prefilter: 0,
    referenceBatch: null,
    scored: null,
    curate: null,
    keep: null,
  });
});

Deno.test("what is given is kept, and resolved options resolve to themselves", () => {
  const given: TrainOptionsInput = { steps: 7, filterRatio: 0, inDomain: 1, compare: "uniform", cache: "c" };
  const options = trainOptions(given);
  assert.deepEqual({ ...options, ...given }, options);
  assert.deepEqual(trainOptions(JSON.parse(JSON.stringify(options))), options);
});

Deno.test("a value out of range is refused with the option, its range and the value", () => {
  const wrong: [TrainOptionsInput, RegExp][] = [
    ...([
      "steps",
      "batch",
      "chunks",
      "patch",
      "scorePatch",
      "imageSize",
      "poolSize",
      "referenceSteps",
    ] as const).flatMap(
      (name): [TrainOptionsInput, RegExp][] => {
        const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
        return [
          [{ [name]: 0 }, new RegExp(`^${flag} must be 1 or more \\(it is 0\\)$`)],
          [{ [name]: 1.5 }, new RegExp(`^${flag} must be a whole number \\(it is 1\\.5\\)$`)],
        ];
      },
    ),
    [{ seed: -1 }, /^--seed must be 0 or more \(it is -1\)$/],
    [{ filterRatio: 1 }, /^--filter-ratio must be 0 or more and below 1 \(it is 1\)$/],
    [{ filterRatio: -0.1 }, /^--filter-ratio .*\(it is -0\.1\)$/],
    [{ filterRatio: NaN }, /^--filter-ratio must be a number \(it is NaN\)$/],
    [{ microBatch: 0 }, /^--micro-batch must be 1 or more \(it is 0\)$/],
    [{ microBatch: "all" as "auto" }, /^--micro-batch must be a whole number or auto \(it is all\)$/],
    [{ precision: "f64" as "f32" }, /^--precision must be one of f32, f16 \(it is f64\)$/],
    [{ memory: 0 }, /^--memory must be 1 or more \(it is 0\)$/],
    [{ gain: Infinity }, /^--gain must be a finite number \(it is Infinity\)$/],
    [{ inDomain: 1.1 }, /^--in-domain must be from 0 to 1 \(it is 1\.1\)$/],
    [{ referenceData: "task", poolSize: 900 }, /--task-pairs 1000 is more than the 900 of the pool/],
    [{ curated: "c" }, /--curated goes with --pool/],
    [{ pool: "p" }, /A pool of your own needs a reference: add --curated/],
    [{ pool: "a::b", reference: "r", mix: [1] }, /--mix 1 gives 1 weights for 2 data sets/],
    [{ mix: [1, -2] }, /--mix must be above 0/],
    [{ task: "t" }, /--task t goes with --pool/],
    [{ task: "t", pool: "p", curated: "c" }, /--task and --curated say both what is wanted/],
    [{ duplicates: 1 }, /^--duplicates must be 0 or more and below 1 \(it is 1\)$/],
    [
      { prefilter: 0.5, sampler: "top-k" },
      /--prefilter 0.5 goes with a sampler that scores by learnability, not top-k/,
    ],
    [
      { prefilter: 0.5, score: "easy-reference" },
      /--prefilter 0.5 goes with --score learnability, not easy-reference/,
    ],
    [
      { references: 2, reference: "r" },
      /--references 2 asks for so many to be trained, and --reference names what is there: give one of them/,
    ],
    [
      { reuseScoring: true, recompute: true },
      /--reuse-scoring keeps all activations, --recompute as few as it can: leave one of them out/,
    ],
    [
      { reuseScoring: true, microBatch: "auto" },
      /--reuse-scoring keeps all activations, --micro-batch as few as it can: leave one of them out/,
    ],
    [
      { reuseScoring: true, score: "easy-reference" },
      /--reuse-scoring goes with a sampler and score that look at the learner: joint by easy-reference does not/,
    ],
    [{ reuseScoring: true, sampler: "uniform" }, /look at the learner: uniform does not/],
    [
      { prefilter: 0.5, filterRatio: 0.25 },
      /--prefilter 0.5 leaves 43 of 85 drawn examples for a batch of 64/,
    ],
    [{ captionNoise: -1 }, /^--caption-noise must be from 0 to 1 \(it is -1\)$/],
    [{ scoreDrop: 1 }, /^--score-drop must be 0 or more and below 1 \(it is 1\)$/],
    [{ coarseShare: 1.1 }, /^--coarse-share must be from 0 to 1 \(it is 1\.1\)$/],
    [{ warmUp: 2 }, /^--warm-up must be from 0 to 1 \(it is 2\)$/],
    [{ learningRate: 0 }, /^--learning-rate must be above 0 \(it is 0\)$/],
    [{ learningRate: Infinity }, /^--learning-rate .*\(it is Infinity\)$/],
    [
      { score: "best" as "learnability" },
      /^--score .*learnability, easy-reference, hard-learner \(it is best\)$/,
    ],
    [{ loss: "hinge" as "sigmoid" }, /^--loss .*sigmoid, softmax \(it is hinge\)$/],
    [{ iterations: -1 }, /^--iterations must be 0 or more \(it is -1\)$/],
    [{ sampler: "jiont" as "joint" }, /^--sampler .*joint.*uniform.*\(it is jiont\)$/],
    [{ preset: "huge" as "mini" }, /^--preset .*mini.*\(it is huge\)$/],
  ];
  for (const [input, message] of wrong) {
    assert.throws(() => trainOptions(input), { name: "RangeError", message }, JSON.stringify(input));
  }
});

Deno.test("options that do not fit together are refused with a way out", () => {
  const wrong: [TrainOptionsInput, RegExp][] = [
    [{ chunks: 65 }, /--chunks is 65, more than the 64 examples of a batch: choose 1 to 64/],
    [
      { microBatch: 65 },
      /--micro-batch is 65, more than the 64 examples of a batch: choose 1 to 64, or auto/,
    ],
    [{ lock: "image" }, /--lock image keeps a tower that was never trained: add --init FILE/],
    [{ layerDecay: 0.5 }, /--layer-decay 0\.5 spares layers that were never trained: add --init FILE/],
    [{ init: "m.safetensors", layerDecay: 0 }, /--layer-decay must be above 0/],
    [
      { init: "m.safetensors", referencePreset: "mini" },
      /reads other captions than m\.safetensors: leave it out/,
    ],
    [{ referencePreset: "S/16" }, /--reference-preset S\/16 reads other captions than --preset mini/],
    [{ reference: "r", scored: "s" }, /--reference and --scored name a reference each/],
    [{ uniformShare: 0.95 }, /--uniform-share 0.95 leaves 3 examples of a batch for 8 chunks/],
    [
      { uniformShare: 0.5, sampler: "gibbs" },
      /--uniform-share 0.5 goes with --sampler joint or independent, not gibbs/,
    ],
    [{ keep: 0.5 }, /--keep 0.5 needs a method: add --curate, such as reference-score/],
    [
      { curate: "deduplicate", keep: 0.01 },
      /draws 640 examples, and --curate deduplicate leaves 200 of the pool: raise --keep/,
    ],
    [{ scorePatch: 12 }, /--score-patch 12 does not divide --image-size 32: choose a divisor/],
    [
      { coarseShare: 0.5 },
      /--coarse-share 0.5 needs a coarser view: add --score-patch, such as 32, or --score-drop/,
    ],
    [{ compare: "joint" }, /--compare joint is what the run trains already: choose another sampler/],
    [{ batch: 100, poolSize: 999 }, /draws 1000 examples a step, and the pool holds 999: lower/],
    [{ filterRatio: 0.9999 }, /draws 640000 examples a step, and the pool holds 20000/],
    [{ sampler: "uniform", compare: "joint", chunks: 65 }, /more than the 64 examples/],
    [{ sampler: "uniform", batch: 300, poolSize: 200 }, /^A batch of 300 draws 300 .*lower the batch/],
    [{ sampler: "gibbs", chunks: 65 }, /more than the 64 examples/],
    [
      { sampler: "top-k", score: "learnability" },
      /^--sampler top-k cannot go by learnability: leave out --score, or use --score easy-reference$/,
    ],
    [{ patch: 5 }, /--image-size 32 cannot be cut into patches of 5 pixels: choose/],
    [{ imageSize: 40 }, /--image-size 40 cannot be cut into patches of 16 pixels/],
    [{ imageSize: 33, patch: 11 }, /choose an even side/],
  ];
  for (const [input, message] of wrong) {
    assert.throws(() => trainOptions(input), { name: "RangeError", message });
  }
  trainOptions({ chunks: 64, microBatch: 64 });
  trainOptions({ microBatch: "auto" });
  trainOptions({ batch: 100, poolSize: 1000 });
  trainOptions({ batch: 4, sampler: "uniform" }); // no chunks are drawn
  trainOptions({ batch: 4, sampler: "independent" });
  trainOptions({ poolSize: 64, sampler: "uniform" }); // no more than a batch is drawn
});

Deno.test("the score is resolved: the arm's that has one", () => {
  const resolved: [TrainOptionsInput, string | null][] = [
    [{}, "learnability"],
    [{ sampler: "top-k" }, "easy-reference"],
    [{ sampler: "uniform" }, null],
    [{ sampler: "uniform", compare: "joint" }, "learnability"],
    [{ sampler: "uniform", compare: "joint", score: "hard-learner" }, "hard-learner"],
    [{ sampler: "joint", compare: "top-k" }, "learnability"],
    [{ sampler: "gibbs", score: "easy-reference" }, "easy-reference"],
  ];
  for (const [input, score] of resolved) {
    const options = trainOptions(input);
    assert.equal(options.score, score, JSON.stringify(input));
    assert.deepEqual(trainOptions(JSON.parse(JSON.stringify(options))), options);
  }
  assert.equal(armScore("top-k", "learnability"), "easy-reference");
  assert.equal(armScore("independent", "hard-learner"), "hard-learner");
  assert.equal(armScore("uniform", "hard-learner"), null);
});
