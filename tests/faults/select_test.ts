/** `select` on other people's embeddings: the selection, and what is refused. */
import assert from "node:assert/strict";
import { normal, Stream } from "../../src/random/philox.ts";
import { type EmbeddingSet, writeEmbeddings } from "../../src/run/reference.ts";
import { inFolder, superbatch } from "./superbatch.ts";

const width = 8;

/** Unit rows; `seed` tells two models apart. */
function embeddings(count: number, seed: number): EmbeddingSet {
  const rows = (side: number) => {
    const all = Float32Array.from({ length: count * width }, (_, at) => normal(seed, Stream.data, side, at));
    for (let row = 0; row < count; row++) {
      const one = all.subarray(row * width, (row + 1) * width), length = Math.hypot(...one);
      one.forEach((value, at) => one[at] = value / length);
    }
    return all;
  };
  return { image: rows(0), text: rows(1), width, logitScale: 10, logitBias: -5 };
}

Deno.test("select prints each selected row once, and the same rows for the same seed", () =>
  inFolder(async (folder) => {
    const [learner, reference] = [1, 2].map((seed) => {
      const path = `${folder}/${seed}.safetensors`;
      Deno.writeFileSync(path, writeEmbeddings(embeddings(50, seed)));
      return path;
    });
    const args = ["select", "--learner", learner, "--reference", reference, "--chunks", "5"];
    const { code, out, error } = await superbatch([...args, "--json"]);
    assert.deepEqual([code, error], [0, ""]);
    const result = JSON.parse(out);
    assert.deepEqual(Object.keys(result).sort(), [
      "batchLearnability",
      "batchScore",
      "conditionalScores",
      "entropies",
      "indices",
      "scores",
    ]);
    assert.deepEqual([result.scores.length, result.conditionalScores.length, result.entropies.length], [
      50,
      10,
      5,
    ]);
    assert.equal(result.indices.length, 10, "50 pairs at the default filter ratio of 0.8");
    assert.equal(new Set(result.indices).size, 10);
    assert.ok(result.indices.every((row: number) => Number.isInteger(row) && row >= 0 && row < 50));
    assert.ok(Number.isFinite(result.batchLearnability));

    const plain = await superbatch(args);
    assert.equal(plain.out, result.indices.join("\n") + "\n");
    assert.match(plain.error, /^10 selected, batch learnability -?\d/);

    // One model is enough where the other does not count, under either loss.
    for (const sampler of ["joint", "independent", "gibbs", "uniform", "top-k"]) {
      const { code, out, error } = await superbatch(
        ["select", "--reference", reference, "--sampler", sampler, "--score", "easy-reference", "--json"]
          .concat("--loss", "softmax", "--chunks", "3", "--iterations", "20"),
      );
      assert.equal(code, 0, error);
      const { indices, batchLearnability, batchScore } = JSON.parse(out);
      assert.deepEqual([new Set(indices).size, batchLearnability], [10, null]);
      assert.ok(batchScore < 0, "minus a loss");
    }
  }));

Deno.test("select names the file that is missing", async () => {
  const cases: [string[], RegExp][] = [
    [["--learner", "x"], /learnability needs the reference's embeddings: give --reference FILE/],
    [["--reference", "x"], /learnability needs the learner's embeddings: give --learner FILE/],
    [["--sampler", "uniform"], /nothing to select from: give --learner FILE or --reference FILE/],
  ];
  for (const [args, answer] of cases) {
    const { code, error } = await superbatch(["select", ...args]);
    assert.equal(code, 2);
    assert.match(error, answer);
  }
});

Deno.test("select refuses what it cannot select from, and says why", () =>
  inFolder(async (folder) => {
    const good = embeddings(20, 1);
    const long = { ...good, image: good.image.map((value) => value * 3) };
    const broken = { ...good, text: good.text.with(0, NaN) };
    const write = (name: string, bytes: Uint8Array) => Deno.writeFileSync(`${folder}/${name}`, bytes);
    write("good", writeEmbeddings(good));
    write("other", writeEmbeddings(embeddings(19, 2)));
    write("long", writeEmbeddings(long));
    write("broken", writeEmbeddings(broken));
    write("cut", writeEmbeddings(good).subarray(0, 300));
    write("text", new TextEncoder().encode("these are no embeddings"));
    const cases: [string, string, string[], number, RegExp][] = [
      ["none", "good", [], 1, /Cannot read ".*none"/],
      ["good", "other", [], 1, /20 pairs and the reference 19/],
      ["long", "good", [], 1, /Row 0 of the learner's image embeddings has length 3.*normalise/],
      ["good", "broken", [], 1, /Row 0 of the reference's text embeddings has length NaN/],
      ["good", "cut", [], 1, /cut/],
      ["text", "good", [], 1, /text/],
      ["good", "good", ["--chunks", "5"], 1, /5.*4/],
      [
        "good",
        "good",
        ["--sampler", "top-k", "--score", "hard-learner"],
        2,
        /top-k.*cannot go by hard-learner/,
      ],
      ["good", "good", ["--score", "best"], 2, /learnability/],
      ["good", "good", ["--filter-ratio", "1.2"], 2, /less than 1.*1\.2/],
    ];
    for (const [learner, reference, more, wanted, answer] of cases) {
      const { code, out, error } = await superbatch(
        ["select", "--learner", `${folder}/${learner}`, "--reference", `${folder}/${reference}`, ...more],
      );
      assert.deepEqual([code, out], [wanted, ""], error);
      assert.match(error, answer);
      assert.ok(!error.includes("    at "), `a stack is shown: ${error}`);
    }
  }));
