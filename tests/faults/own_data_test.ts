/** `train` on one's own data, as a user runs it. */
import assert from "node:assert/strict";
import { packTar } from "modern-tar";
import { openSource } from "../../src/data/sources/open_source.ts";
import { BadSample } from "../../src/data/sources/source.ts";
import { encodePng } from "../../src/report/png.ts";
import { inFolder, superbatch } from "./superbatch.ts";

/** A picture of one colour with a dark square whose place tells pictures apart. */
function picture(hue: number, place: number): Uint8Array {
  const side = 16, pixels = new Uint8Array(side * side * 3);
  for (let at = 0; at < side * side; at++) {
    const dark = Math.floor(at / side / 4) * 4 + Math.floor(at % side / 4) === place;
    pixels.set([dark ? 0 : hue, dark ? 0 : 255 - hue, dark ? 0 : 128], at * 3);
  }
  return encodePng({ width: side, height: side, pixels });
}

const colours = ["green", "olive", "orange", "red"];
const caption = (number: number) => `${colours[number % 4]} square at place ${Math.floor(number / 4) % 16}`;
const png = (number: number) => picture(number % 4 * 80, Math.floor(number / 4) % 16);

/** Shards of n pairs each, as WebDataset has them. */
async function writeShards(folder: string, shards: number, n: number): Promise<void> {
  for (let shard = 0; shard < shards; shard++) {
    const entries = [];
    for (let number = shard * n; number < (shard + 1) * n; number++) {
      const key = `${number}`.padStart(5, "0");
      for (
        const [kind, body] of [["png", png(number)], [
          "txt",
          new TextEncoder().encode(caption(number)),
        ]] as const
      ) {
        entries.push({ header: { name: `${key}.${kind}`, size: body.length, type: "file" as const }, body });
      }
    }
    await Deno.writeFile(`${folder}/pool-${shard}.tar`, await packTar(entries));
  }
}

/** A folder with a table; its fourth line names a picture that is not there. */
async function writeCurated(folder: string, n: number): Promise<void> {
  await Deno.mkdir(folder);
  const lines = ["file_name,text"];
  for (let number = 0; number < n; number++) {
    if (number !== 2) await Deno.writeFile(`${folder}/${number}.png`, png(number));
    lines.push(`${number}.png,${caption(number)}`);
  }
  await Deno.writeTextFile(`${folder}/metadata.csv`, lines.join("\n"));
}

const short =
  "--steps 4 --batch 8 --chunks 2 --filter-ratio .5 --reference-steps 4 --image-size 16 --test-share .3 --json --quiet"
    .split(" ");

Deno.test("train takes a pool in shards with a curated folder, weights, or a task, and names what it left out", async () => {
  await inFolder(async (folder) => {
    await writeShards(folder, 2, 20);
    await writeCurated(`${folder}/curated`, 30);
    const args = ["train", "--pool", `${folder}/pool-{0..1}.tar`, "--curated", `${folder}/curated`, ...short];
    const dry = await superbatch([...args, "--dry-run", "--out", `${folder}/dry`]);
    assert.equal(dry.code, 0, dry.error);
    assert.match(JSON.parse(dry.out).computes[0], /^read the pool: .* \(2 shards\)$/);
    await assert.rejects(() => Deno.stat(`${folder}/dry`));
    const { code, out: output, error } = await superbatch([
      ...args,
      "--out",
      `${folder}/runs`,
      "--cache",
      `${folder}/cache`,
    ]);
    assert.equal(code, 0, error);
    const { run, trainedExamples, evaluation } = JSON.parse(output);
    assert.equal(trainedExamples, 32);
    assert.equal(evaluation.zeroShot, undefined);
    const config = JSON.parse(await Deno.readTextFile(`${run}/config.json`));
    assert.deepEqual(
      [config.data.pool.size, config.data.reference.size, config.data.test.size, config.data.notes.bad],
      [40, 20, 9, 1],
    );
    const mix = ["train", "--pool", `${folder}/pool-0.tar::${folder}/pool-1.tar`, "--mix", "3,1", ...short];
    const mixed = await superbatch([
      ...mix,
      "--reference-data",
      "pool",
      "--out",
      `${folder}/mixed`,
      "--cache",
      `${folder}/cache`,
    ]);
    assert.equal(mixed.code, 0, mixed.error);
    const { data } = JSON.parse(await Deno.readTextFile(`${JSON.parse(mixed.out).run}/config.json`));
    // 28 pairs are left of 40; each once at least, the first part's three times as often as the second's.
    assert.ok(data.pool.size > 28 && data.pool.size % 4 <= 1, `${data.pool.size}`);
    const report = await Deno.readTextFile(`${run}/report.html`);
    assert.ok(report.includes("on held-out pairs") && !/in-domain|vendor/.test(report));

    // A reference from names of classes alone, and from a few examples.
    await Deno.writeTextFile(`${folder}/task.txt`, "green square\nolive square\n");
    for (const task of [`${folder}/task.txt`, `${folder}/curated`]) {
      const args = [
        "train",
        "--pool",
        `${folder}/pool-{0..1}.tar`,
        "--task",
        task,
        "--task-pairs",
        "9",
        ...short,
      ];
      const inferred = await superbatch([...args, "--out", `${folder}/task`, "--cache", `${folder}/cache`]);
      assert.equal(inferred.code, 0, inferred.error);
      assert.ok(JSON.parse(inferred.out).flops.referenceTrain > 0);
    }
  });
});

Deno.test("a pool is scored, and what curation keeps is written as shards that hold the same pairs", async () => {
  await inFolder(async (folder) => {
    await writeShards(folder, 2, 20);
    await writeCurated(`${folder}/curated`, 30);
    const data = `${folder}/pool-{0..1}.tar`, scored = `${folder}/scored.jsonl`;
    const sizes = "--batch 8 --reference-steps 4 --image-size 16 --test-share .3 --json --quiet".split(" ");
    const score = await superbatch([
      ...[
        "score",
        "--pool",
        data,
        "--curated",
        `${folder}/curated`,
        "--out",
        scored,
        "--cache",
        `${folder}/cache`,
      ],
      ...sizes,
    ]);
    assert.equal(score.code, 0, score.error);
    const list = `${folder}/kept.jsonl`, shards = `${folder}/shards`;
    const args = ["curate", scored, "--keep", ".25", "--out", list, "--shards", shards, "--json", "--data"];
    const curate = await superbatch([...args, data]);
    assert.equal(curate.code, 0, curate.error);
    assert.deepEqual(JSON.parse(curate.out).shards, [`${shards}/00000.tar`]);
    const kept = (await Deno.readTextFile(list)).trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(kept.length, 10);
    const written: { key: unknown; caption: string; image: Uint8Array }[] = [];
    for await (const pair of (await openSource(shards)).shards[0].read()) {
      assert.ok(!(pair instanceof BadSample));
      written.push({ key: pair.metadata!.key, caption: pair.caption, image: pair.image });
    }
    assert.deepEqual(
      written,
      kept.map(({ key, caption }) => ({ key, caption, image: png(Number(key)) })),
    );
    const other = await superbatch([...args, `${folder}/curated`]);
    assert.equal(other.code, 1);
    assert.match(other.error, /holds none of the pairs that .*scored\.jsonl was scored on/);
  });
});

Deno.test("train refuses data that are not there, damaged, too small, or without a reference, and makes no run", async () => {
  await inFolder(async (folder) => {
    await writeShards(folder, 1, 20);
    const shard = await Deno.readFile(`${folder}/pool-0.tar`);
    await Deno.writeFile(`${folder}/cut.tar`, shard.subarray(0, 5000));
    const refused = async (args: string[], message: RegExp) => {
      const { code, error } = await superbatch(["train", ...args, ...short, "--out", `${folder}/runs`]);
      assert.notEqual(code, 0);
      assert.match(error, message);
      assert.ok(!/\bat file:/.test(error), "no stack trace");
    };
    const pool = ["--pool", `${folder}/pool-0.tar`, "--reference-data", "pool"];
    await refused(
      ["--pool", `${folder}/pool-1.tar`, "--curated", folder],
      /no data set at .*did you mean .*pool-0\.tar/,
    );
    await refused(
      ["--pool", `${folder}/cut.tar`, "--reference-data", "pool"],
      /cut\.tar is cut short: it ends at byte 5000, after/,
    );
    await refused(["--pool", `${folder}/pool-0.tar`], /needs a reference: add --curated/);
    await refused(pool, /A step draws 16 examples, and the pool holds 14: lower --batch or --filter-ratio/);
  });
});
