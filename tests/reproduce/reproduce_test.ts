/** Claims tried at a scale where an arm takes four steps: whether they run, are kept and are reported. */
import assert from "node:assert/strict";
import { claimNumbers } from "../../src/cli/reproduce.ts";
import { gather } from "../../src/reproduce/gather.ts";
import { figureFiles, renderReproduction, type Reproduction } from "../../src/reproduce/report.ts";
import { pools } from "../../src/reproduce/claims/extensions.ts";
import { claims, reproduce } from "../../src/reproduce/reproduce.ts";
import { Lab, type Trained } from "../../src/reproduce/lab.ts";
import { type Scale, scales } from "../../src/reproduce/scales.ts";
import { trainOptions } from "../../src/config/train_options.ts";
import { buildDefaultData } from "../../src/data/default_data.ts";
import { InterruptedError } from "../../src/run/arm.ts";
import type { RunHooks } from "../../src/run/hooks.ts";
import { sharesDevice, testDevice } from "../gpu/device.ts";

const tiny: Scale = {
  name: "tiny",
  description: "four steps",
  options: { steps: 4, preset: "mini", batch: 8, chunks: 2, poolSize: 2000, referenceSteps: 8 },
  longSteps: 8,
  candidates: 320,
  batches: [8, 4],
  patches: [8, 16],
};

const quiet = (signal = new AbortController().signal): RunHooks => ({
  signal,
  onProgress: () => {},
  log: () => {},
});

Deno.test("the paper's eighteen claims and four beyond it have a number each, and say what is measured", () => {
  assert.deepEqual(claims.map(({ number }) => number), Array.from({ length: 22 }, (_, at) => at + 1));
  for (const { number, title, paper, measure } of claims) {
    assert.ok(title && measure.includes("claim holds when"));
    assert.equal(paper === null, number > 18, `claim ${number}`);
  }
});

Deno.test("the data that scales and claims ask for can be had", async () => {
  const cacheFolder = await Deno.makeTempDir();
  for (const { options } of Object.values(scales)) {
    for (const pool of [{}, ...Object.values(pools)]) {
      const { poolSize, inDomain, captionNoise, dataSeed, ...others } = trainOptions({ ...options, ...pool });
      const data = await buildDefaultData({
        ...others,
        poolSize,
        inDomainShare: inDomain,
        captionNoise,
        imageSize: 32,
        seed: dataSeed,
        cacheFolder,
      });
      assert.equal(data.pool.size, poolSize);
    }
  }
  await Deno.remove(cacheFolder, { recursive: true });
});

Deno.test("claims are named by numbers and ranges", () => {
  assert.equal(claimNumbers(undefined).length, 22);
  assert.deepEqual(claimNumbers("7, 2-4,3"), [2, 3, 4, 7]);
  for (
    const [list, message] of [["0", /no claim 0; choose from 1 to 22/], ["5-3", /no claim/], [
      "x",
      /"x" is no number/,
    ]] as const
  ) {
    assert.throws(() => claimNumbers(list), { name: "UsageError", message });
  }
});

Deno.test({
  name: "an arm whose curve is wanted later is trained once more, to the same end",
  ...sharesDevice,
}, async () => {
  const folder = await Deno.makeTempDir();
  try {
    using lab = new Lab(await testDevice(), tiny, [1], folder, quiet());
    const evaluated = ({ lines }: Trained) => lines.filter(({ evaluation }) => evaluation);
    const given = { sampler: "uniform" } as const;
    const [short] = await lab.trainAll(given), [curve] = await lab.trainAll(given, { curve: true });
    assert.deepEqual(evaluated(short).map(({ step }) => step), [4]);
    assert.deepEqual(evaluated(curve).map(({ step }) => step), [1, 2, 3, 4]);
    assert.deepEqual(curve.evaluation, short.evaluation);
    assert.deepEqual(
      evaluated(curve).map(({ evaluation }) => evaluation!.zeroShot !== undefined),
      [false, false, false, true],
      "classes wait for the end",
    );
    assert.deepEqual(await lab.trainAll(given), [curve], "the longer record serves both");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a report gathers the claims that were tried in its folder at the same scale, by the same seeds", () => {
  const result = (number: number, seconds: number) => ({
    number,
    title: `claim ${number}`,
    paper: null,
    measure: "",
    seconds,
    error: "none",
  });
  const report = (claims: Reproduction["claims"], more: Partial<Reproduction> = {}): Reproduction => ({
    adapter: "a",
    date: "",
    scale: "small",
    seeds: [1, 2],
    command: "",
    seconds: 0,
    attributions: [],
    claims,
    ...more,
  });
  const earlier = report([result(2, 5), result(4, 1)], { attributions: ["x", "y"] });
  const now = report([result(3, 7), result(4, 2)], { attributions: ["y", "z"] });
  const gathered = gather(earlier, now, (numbers) => numbers.join());
  assert.deepEqual(gathered.claims, [result(2, 5), result(3, 7), result(4, 2)]);
  assert.equal(gathered.command, "2,3,4");
  assert.equal(gathered.seconds, 14);
  assert.deepEqual(gathered.attributions, ["x", "y", "z"]);
  for (const other of [{ seeds: [4, 5] }, { scale: "gpu" }, { adapter: "b" }]) {
    assert.equal(gather(report([result(2, 5)], other), now, String), now);
  }
  for (const nothing of [null, "text", [], { scale: "small" }]) {
    assert.equal(gather(nothing, now, String), now);
  }
});

Deno.test(
  { name: "claims are tried, kept, reported, and one that fails stops no other", ...sharesDevice },
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      const options = { claims: [1, 4, 11], scale: tiny, seeds: [1, 2], folder, command: "a < b" };
      const heard: number[] = [];
      const first = await reproduce(options, quiet(), ({ number }) => {
        heard.push(number);
        return Promise.resolve();
      });
      assert.deepEqual(heard, [1, 4, 11]);
      for (const claim of first.claims) assert.ok("finding" in claim, JSON.stringify(claim));
      const arms = async () => {
        const files = [];
        for await (const { name } of Deno.readDir(folder)) {
          files.push([
            name,
            (await Deno.stat(`${folder}/${name}`)).mtime,
          ]);
        }
        return files.sort();
      };
      const before = await arms();
      // A learner that scores for each seed, and the three arms of the ledger.
      assert.equal(before.length, 2 + 3);
      const again = await reproduce(options, quiet(), () => Promise.resolve());
      assert.deepEqual(
        again.claims.map((claim) => "finding" in claim && claim.finding),
        first.claims.map((claim) => "finding" in claim && claim.finding),
      );
      assert.deepEqual(await arms(), before, "nothing was trained again");

      const files = first.claims.flatMap(figureFiles);
      assert.deepEqual(files.map(({ name }) => name), ["claim-4-1.svg"]);
      for (const { svg } of files) {
        assert.match(svg, /^<svg .*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
        assert.ok(
          !/&(?!#?\w+;)/.test(svg) && !svg.includes("currentcolor;font-family:inherit"),
          "no XML by itself",
        );
      }
      const page = renderReproduction(first);
      assert.equal(
        renderReproduction(JSON.parse(JSON.stringify(first))),
        page,
        "results.json holds all of it",
      );
      assert.match(page, /<pre>a &lt; b<\/pre>/);
      for (const { title } of first.claims) assert.ok(page.includes(title.replaceAll("'", "&#39;")), title);
      assert.equal(page.match(/<svg/g)!.length, 1);

      const impossible = { ...tiny, options: { ...tiny.options, batch: 1999 } };
      const failed = await reproduce(
        { ...options, claims: [6, 18], scale: impossible },
        quiet(),
        () => Promise.resolve(),
      );
      for (const claim of failed.claims) {
        assert.match("error" in claim ? claim.error : "", /pool holds 2000/);
      }
      assert.match(renderReproduction(failed), /2 failed/);

      const stopped = new AbortController();
      stopped.abort();
      await assert.rejects(
        reproduce({ ...options, claims: [7] }, quiet(stopped.signal), () => Promise.resolve()),
        InterruptedError,
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
