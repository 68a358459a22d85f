/** What the command line takes, and what it answers to what it does not take. */
import assert from "node:assert/strict";
import { formatMessage } from "@optique/core/message";
import { parse } from "@optique/core/parser";
import { commandLine, type Invocation } from "../../src/cli/command_line.ts";

const read = (...args: string[]) => parse(commandLine(args), args);

function invocation(...args: string[]): Invocation {
  const result = read(...args);
  assert.ok(result.success, result.success ? "" : formatMessage(result.error));
  return result.value;
}

function complaint(...args: string[]): string {
  const result = read(...args);
  assert.ok(!result.success, `${args.join(" ")} was taken`);
  return formatMessage(result.error);
}

Deno.test("train takes every option by its name", () => {
  const value = invocation(
    "train",
    ..."--steps 20 --seed 3 --batch 32 --filter-ratio 0.8 --chunks 4 --gain 10 --sampler joint --patch 8"
      .split(" "),
    ..."--preset mini --image-size 16 --init i --lock text --layer-decay 0.75 --out o --name n --compare uniform --pool-size 900 --in-domain .2"
      .split(" "),
    ..."--pool p --curated c --test t --test-share .25 --data-memory 1GiB --task x --mix 2,.5 --max-bad .5"
      .split(" "),
    ..."--task-examples 5 --task-pairs 0".split(" "),
    ..."--prefilter .5 --duplicates .25 --unknown-concepts .125 --held-out-concepts .75".split(" "),
    ..."--caption-noise .1 --reference-steps 40 --learning-rate 1e-3 --warm-up 0 --cache c --json --quiet"
      .split(" "),
    ..."--micro-batch 8 --precision f16 --recompute --reuse-scoring --memory 8GiB --score hard-learner --loss softmax"
      .split(
        " ",
      ),
    ..."--iterations 9 --score-patch 16 --coarse-share .25 --score-drop .1 --beta2 .9".split(" "),
    ..."--reference-data pool --reference-preset midi --reference r --references 2 --uniform-share .25 --reference-batch 4 --scored s --curate deduplicate --keep .5"
      .split(
        " ",
      ),
  );
  assert.deepEqual({ ...value }, {
    action: "train",
    steps: 20,
    seed: 3,
    batch: 32,
    filterRatio: 0.8,
    chunks: 4,
    gain: 10,
    sampler: "joint",
    score: "hard-learner",
    loss: "softmax",
    iterations: 9,
    patch: 8,
    scorePatch: 16,
    scoreDrop: 0.1,
    beta2: 0.9,
    referenceData: "pool",
    referencePreset: "midi",
    reference: "r",
    references: 2,
    uniformShare: 0.25,
    referenceBatch: 4,
    scored: "s",
    curate: "deduplicate",
    keep: 0.5,
    coarseShare: 0.25,
    microBatch: 8,
    precision: "f16",
    recompute: true,
    reuseScoring: true,
    memory: 8 * 2 ** 30,
    preset: "mini",
    imageSize: 16,
    init: "i",
    lock: "text",
    layerDecay: 0.75,
    out: "o",
    name: "n",
    compare: "uniform",
    poolSize: 900,
    inDomain: 0.2,
    captionNoise: 0.1,
    prefilter: 0.5,
    pool: "p",
    curated: "c",
    test: "t",
    testShare: 0.25,
    dataMemory: 2 ** 30,
    task: "x",
    mix: [2, 0.5],
    maxBad: 0.5,
    taskExamples: 5,
    taskPairs: 0,
    duplicates: 0.25,
    unknownConcepts: 0.125,
    heldOutConcepts: 0.75,
    referenceSteps: 40,
    learningRate: 1e-3,
    warmUp: 0,
    cache: "c",
    dryRun: false,
    json: true,
    quiet: true,
  });
});

Deno.test("select has the paper's defaults", () => {
  const { filterRatio, chunks, gain, seed } = invocation(
    "select",
    "--learner",
    "a",
    "--reference",
    "b",
  ) as Extract<
    Invocation,
    { action: "select" }
  >;
  assert.deepEqual({ filterRatio, chunks, gain, seed }, { filterRatio: 0.8, chunks: 16, gain: 100, seed: 1 });
});

Deno.test("plan takes the options that shape a step, micro-batches by number or auto, sizes by unit", () => {
  const value = invocation("plan", ..."--preset S/16 --batch 256 --micro-batch auto --explain".split(" "));
  assert.ok(value.action === "plan");
  const { preset, batch, microBatch, recompute, memory, explain, json } = value;
  assert.deepEqual(
    { preset, batch, microBatch, recompute, memory, explain, json },
    {
      preset: "S/16",
      batch: 256,
      microBatch: "auto",
      recompute: false,
      memory: undefined,
      explain: true,
      json: false,
    },
  );
  for (
    const [text, bytes] of [["1000", 1000], ["8GiB", 2 ** 33], ["1.5 GB", 1.5e9], ["3k", 3000], [
      "2MiB",
      2 ** 21,
    ]] as const
  ) {
    const value = invocation("plan", "--memory", text);
    assert.ok(value.action === "plan" && value.memory === bytes, text);
  }
  assert.match(complaint("plan", "--steps", "3"), /--steps/);
});

Deno.test("search takes a run and a query, options before or after", () => {
  for (const args of [["--count", "3", "run", "red heart"], ["run", "red heart", "--count", "3"]]) {
    const value = invocation("search", ...args);
    assert.ok(value.action === "search" && value.query === "red heart" && value.count === 3);
  }
});

Deno.test("a mistyped command or option is answered with the nearest", () => {
  assert.match(complaint("trian"), /Did you mean `train`/);
  assert.match(complaint("train", "--sede", "3"), /`--seed`/);
  assert.match(complaint("train", "--filter-ration", "3"), /`--filter-ratio`/);
  assert.match(complaint("select", "--lerner", "x"), /`--learner`/);
  assert.doesNotMatch(complaint("info", "--lerner", "x"), /--learner/, "another command's option");
});

Deno.test("a value out of range is answered with the range and the value", () => {
  assert.match(complaint("train", "--filter-ratio", "1.2"), /0 or more and less than 1.*1\.2/);
  assert.match(complaint("train", "--filter-ratio", "-1"), /0 or more and less than 1.*-1/);
  assert.match(complaint("train", "--steps", "0"), /--steps.*1.*"0"/);
  assert.match(complaint("train", "--seed", "1.5"), /--seed.*integer.*1\.5/);
  assert.match(complaint("train", "--sampler", "jiont"), /joint.*uniform.*jiont/);
  for (const wrong of ["0", "1.5", "some"]) {
    const answer = complaint("train", "--micro-batch", wrong);
    assert.match(answer, new RegExp(`--micro-batch.*whole number, 1 or more, or auto, but got "${wrong}"`));
  }
  assert.match(complaint("train", "--memory", "3XB"), /--memory.*size such as 8GiB or 500MB, but got "3XB"/);
  assert.match(complaint("select", "--score", "best"), /learnability.*easy-reference.*hard-learner.*best/);
  assert.match(complaint("train", "--loss", "hinge"), /sigmoid.*softmax.*hinge/);
  assert.match(complaint("train", "--in-domain", "2"), /--in-domain.*1.*"2"/);
});

Deno.test("nothing, too little and too much are refused", () => {
  assert.match(complaint(), /superbatch train.*--help/);
  assert.match(complaint("select", "--learner"), /--learner/);
  assert.match(complaint("eval"), /RUN/);
  assert.match(complaint("eval", "one", "two"), /two/);
});
