/** embed, search, eval, inspect and doctor on a user's own pictures, as a user runs them, and with bad input. */
import assert from "node:assert/strict";
import { decodeEmbeddings } from "../../src/data/embedding_file.ts";
import { sharesDevice } from "../gpu/device.ts";
import { classFolders, drawing, imageFolder, trainedModel } from "./user_data.ts";
import { inFolder, superbatch } from "./superbatch.ts";

/** What a command prints with --json. */
async function json(...args: string[]) {
  const { code, out, error } = await superbatch([...args, "--json", "--quiet"]);
  assert.deepEqual([code, error], [0, ""], `${args.join(" ")}: ${error}`);
  return JSON.parse(out);
}

/** What a command that must fail says. */
async function refusal(code: number, ...args: string[]): Promise<string> {
  const ended = await superbatch([...args, "--quiet"]);
  assert.deepEqual([ended.code, ended.out], [code, ""], `${args.join(" ")}: ${ended.error}`);
  assert.ok(!ended.error.includes("    at "), `a stack is shown: ${ended.error}`);
  return ended.error;
}

Deno.test(
  "pictures are embedded, searched and evaluated by a model that knows them",
  sharesDevice,
  () =>
    inFolder(async (folder) => {
      const data = `${folder}/flags`,
        model = `${folder}/model.safetensors`,
        index = `${folder}/index.safetensors`;
      const captions = await imageFolder(data);
      await trainedModel(data, model);

      const dry = await json("embed", model, data, "--out", index, "--dry-run");
      assert.deepEqual([dry.dryRun, dry.writes], [true, [index]]);
      assert.throws(() => Deno.statSync(index), Deno.errors.NotFound);

      assert.deepEqual(await json("embed", model, data, "--out", index), {
        file: index,
        rows: 24,
        width: 64,
        towers: ["image", "text"],
        bad: 0,
      });
      const kept = await decodeEmbeddings(Deno.readFileSync(index), index);
      assert.deepEqual(kept.captions, [...captions.values()]);
      for (let row = 0; row < 24; row++) {
        assert.ok(
          Math.abs(Math.hypot(...kept.image!.subarray(row * 64, (row + 1) * 64)) - 1) < 1e-5,
          "unit rows",
        );
      }

      for (const picture of ["hits.png", "hits.svg", "hits.html"]) {
        const out = `${folder}/${picture}`;
        const found = await json(
          "search",
          "a red flag number 3",
          "--index",
          index,
          "--count",
          "4",
          "--out",
          out,
        );
        assert.deepEqual([found.picture, found.hits.length], [out, 4]);
        assert.equal(found.hits[0].caption, "a red flag number 3");
        assert.ok(found.hits[0].score > found.hits[3].score);
        const bytes = Deno.readFileSync(out), text = new TextDecoder().decode(bytes);
        if (picture.endsWith(".png")) assert.deepEqual([...bytes.subarray(1, 4)], [0x50, 0x4e, 0x47]);
        else assert.equal(text.match(/data:image\/png/g)?.length, 4);
      }

      // Captions alone, as Parquet: found by their lines.
      await Deno.writeTextFile(`${folder}/lines.txt`, [...captions.values()].join("\n\n") + "\n");
      const lines = `${folder}/lines.parquet`;
      const embedded = await json("embed", model, "--captions", `${folder}/lines.txt`, "--out", lines);
      assert.deepEqual([embedded.rows, embedded.towers], [24, ["text"]]);
      const text = await json("search", "a blue flag number 1", "--index", lines, "--count", "1");
      assert.deepEqual([text.hits[0].caption, text.hits[0].key, text.picture], [
        "a blue flag number 1",
        "14",
        null,
      ]);

      const { retrieval, pictures, zeroShot } = await json("eval", model, "--data", data);
      assert.equal(pictures, 24);
      assert.ok(retrieval.imageToText.r1 > 0.9 && retrieval.textToImage.r1 > 0.9, JSON.stringify(retrieval));
      assert.ok(retrieval.textToImage.r10 >= retrieval.textToImage.r5);
      assert.equal(zeroShot, undefined, "no labels");

      const classes = `${folder}/classes`;
      await classFolders(classes);
      await Deno.writeTextFile(`${folder}/templates.txt`, "a {} flag number 1\na {} flag number 2\n");
      const scored = await json(
        ...[
          "eval",
          model,
          "--data",
          classes,
          "--templates",
          `${folder}/templates.txt`,
          "--shots",
          "1,3",
          "--seeds",
          "2",
        ],
      );
      assert.deepEqual([scored.zeroShot.classes, scored.zeroShot.templates], [4, 2]);
      assert.ok(scored.zeroShot.top1 > 0.5, `chance is 0.25, this is ${scored.zeroShot.top1}`);
      assert.deepEqual(
        scored.linearProbe.map((score: { shots: number; tested: number }) => [score.shots, score.tested]),
        [
          [1, 20],
          [3, 12],
        ],
      );
      assert.ok(scored.linearProbe[1].mean > 0.5, `chance is 0.25, this is ${scored.linearProbe[1].mean}`);

      // What does not fit is refused, and says what would.
      const other = `${folder}/other.safetensors`;
      await Deno.writeFile(
        other,
        Deno.readFileSync(model).map((byte, at, { length }) => at === length - 3 ? byte ^ 1 : byte),
      );
      await Deno.writeTextFile(`${folder}/names.txt`, "red\ngreen\n");
      const search = ["search", "x", "--index"], evaluate = ["eval", model, "--data"];
      const cases: [number, string[], RegExp][] = [
        [
          1,
          [...search, index, "--model", other],
          /was made by another model than .*other\.safetensors is now/,
        ],
        [1, [...search, model], /model\.safetensors holds no embeddings: .* Make it with superbatch embed/],
        [1, [...search, `${folder}/none`], /Cannot read ".*none"/],
        [
          2,
          ["search", "a", "b", "--index", index],
          /With --index there is only the query: put "a b" in quotes/,
        ],
        [2, ["search", "red"], /search needs RUN and QUERY, or QUERY with --index FILE/],
        [1, [...search, index, "--out", "x.gif"], /x\.gif ends in none of \.png, \.svg, \.html/],
        [2, ["embed", model], /embed needs DATA, or --captions FILE in its place/],
        [2, ["embed", model, data, "--out", "x.bin"], /x\.bin is neither \.safetensors nor \.parquet/],
        [1, ["embed", `${folder}/none.safetensors`, data], /Cannot read ".*none\.safetensors"/],
        [1, ["embed", index, data], /index\.safetensors is no superbatch checkpoint/],
        [1, ["embed", model, `${folder}/nowhere`], /nowhere/],
        [
          1,
          [...evaluate, classes, "--classes", `${folder}/names.txt`],
          /label "(blue|yellow)", which is none of the 2 classes/,
        ],
        [1, [...evaluate, classes, "--shots", "6"], /Class "blue" has 6 examples.*choose at most 5 shots/],
        [1, [...evaluate, data, "--shots", "1"], /have no labels.*leave out --shots/],
        [2, [...evaluate, data, "--shots", "0"], /whole numbers above 0 such as 1,4,16/],
        [2, ["eval", model, "--shots", "1"], /--shots goes with --data DATA/],
      ];
      for (const [code, args, answer] of cases) {
        assert.match(await refusal(code, ...args), answer, args.join(" "));
      }
    }),
);

Deno.test("inspect tells sizes, duplicates and broken samples; doctor checks that the data can be learned", () =>
  inFolder(async (folder) => {
    const data = `${folder}/flags`, sheet = `${folder}/sheet.png`;
    await imageFolder(data);
    await Deno.writeFile(`${data}/copy.png`, drawing([215, 44, 40], 2, 2)); // red-2, larger
    await Deno.writeTextFile(`${data}/broken.png`, "this is no picture");
    await Deno.writeTextFile(
      `${data}/metadata.jsonl`,
      [
        { file_name: "copy.png", text: "a red flag number 1" },
        { file_name: "broken.png", text: "a broken flag" },
      ].map((line) => JSON.stringify(line) + "\n").join(""),
      { append: true },
    );
    const report = await json("inspect", data, "--out", sheet);
    assert.deepEqual(
      [report.pairs, report.pictures, report.formats, report.width, report.picture],
      [25, 25, { png: 25 }, { least: 40, median: 40, p95: 40, most: 80 }, sheet],
    );
    assert.deepEqual(report.captionWords, { least: 5, median: 5, p95: 5, most: 5 });
    assert.deepEqual([report.duplicateCaptions, report.commonCaptions], [1, [{
      caption: "a red flag number 1",
      count: 2,
    }]]);
    assert.deepEqual(report.broken.map(({ key }: { key: string }) => key), ["broken.png"]);
    assert.ok(
      report.similar.some(({ picture, like }: { picture: string; like: string }) =>
        picture === "copy.png" && like === "red-2.png"
      ),
      JSON.stringify(report.similar),
    );
    assert.deepEqual([...Deno.readFileSync(sheet).subarray(1, 4)], [0x50, 0x4e, 0x47]);
    const few = await json("inspect", data, "--limit", "3", "--pictures", "0", "--out", `${folder}/none.png`);
    assert.deepEqual([few.pairs, few.picture], [3, null]);
    const plain = await superbatch(["inspect", data, "--out", sheet, "--quiet"]);
    assert.match(plain.out, /broken samples\s+1 \(3\.8 %\)\n\s+"broken\.png" in .*flags/);

    const { ok, checks } = await json("doctor", data, "--steps", "150");
    const status = Object.fromEntries(
      checks.map((check: { name: string; status: string }) => [check.name, check.status]),
    );
    assert.ok(ok);
    assert.deepEqual(Object.keys(status), ["memory", "data", "duplicate captions", "adapter", "overfitting"]);
    assert.deepEqual([status.data, status.overfitting], ["warning", "ok"], JSON.stringify(checks));

    // Pictures that are all alike can teach nothing, and the loss says so.
    const alike = `${folder}/alike`;
    await Deno.mkdir(alike);
    for (let number = 0; number < 8; number++) {
      await Deno.writeFile(`${alike}/${number}.png`, drawing([9, 9, 9], 1));
    }
    await Deno.writeTextFile(
      `${alike}/metadata.jsonl`,
      Array.from(
        { length: 8 },
        (_, n) => JSON.stringify({ file_name: `${n}.png`, text: `thing ${n}` }) + "\n",
      ).join(""),
    );
    const sick = await superbatch(["doctor", alike, "--steps", "60", "--quiet"]);
    assert.equal(sick.code, 1);
    assert.match(
      sick.out,
      /failed {3}overfitting.*it sits at its no-information value, 3\.\d+: the pictures are all alike/,
    );
    const nowhere = await superbatch(["doctor", `${folder}/nowhere`, "--quiet"]);
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.out, /failed {3}data .*nowhere/);
  }));

Deno.test("too many unusable samples stop a command, which names the first and the way to see them all", () =>
  inFolder(async (folder) => {
    const data = `${folder}/flags`;
    await imageFolder(data, 1);
    await Deno.writeTextFile(`${data}/red-0.png`, "cut");
    const sick = await superbatch(["doctor", data, "--quiet"]);
    assert.equal(sick.code, 1);
    assert.match(
      sick.out,
      /1 of 4 samples cannot be used, more than the 10 % allowed\. The first is "red-0\.png" in .*superbatch inspect, or raise --max-bad/,
    );
    const tolerant = await superbatch(["doctor", data, "--quiet", "--max-bad", "0.5", "--steps", "60"]);
    assert.equal(tolerant.code, 0, tolerant.out);
  }));
