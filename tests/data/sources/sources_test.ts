/** Data sets on disk; tests/fixtures/make_sources.py made the shards and the Parquet files. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expandBraces, openSource } from "../../../src/data/sources/open_source.ts";
import { parquetShard } from "../../../src/data/sources/parquet.ts";
import { storedFile } from "../../../src/data/sources/stored_file.ts";
import { readSource } from "./read.ts";

const made = fileURLToPath(new URL("../../fixtures/sources", import.meta.url));
const picture = await Deno.readFile(new URL("../../fixtures/images/rgb.png", import.meta.url));

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes files, pictures where the content is null. */
async function write(folder: string, files: Record<string, string | null>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await Deno.mkdir(join(folder, name, ".."), { recursive: true });
    await Deno.writeFile(join(folder, name), content === null ? picture : new TextEncoder().encode(content));
  }
}

const refused = (path: string, message: RegExp, kind = "SourceError") =>
  assert.rejects(() => readSource(path), (error: Error) => {
    assert.equal(error.name, kind, `${error}`);
    assert.match(error.message, message);
    return true;
  });

Deno.test("WebDataset shards that Python wrote are read whole, alone, by braces, by stars, compressed, and by their folder", async () => {
  const shard = (number: number) => [
    new RegExp(`^folder/${number}0\\|caption ${number} 0\\|7\\|\\d+$`),
    new RegExp(`^folder/${number}1\\|日本 1\\|\\|\\d+$`),
  ];
  const cases: [string, RegExp[], number][] = [
    [`${made}/pairs-000.tar`, shard(0), 1],
    [`${made}/packed.tar.gz`, shard(0), 1],
    [`${made}/pairs-{000..001}.tar`, [...shard(0), ...shard(1)], 2],
    [`${made}/pairs-*.tar`, [...shard(0), ...shard(1)], 2],
    [`${made}/pairs-001.tar::${made}/pairs-000.tar`, [...shard(1), ...shard(0)], 2],
  ];
  for (const [path, expected, count] of cases) {
    const { good, bad, shards } = await readSource(path);
    assert.equal(shards, count);
    assert.equal(good.length, expected.length, path);
    expected.forEach((pattern, at) => assert.match(good[at], pattern));
    assert.equal(bad.length, count);
    assert.match(bad[0], /^folder\/\d2: has no caption: neither a \.txt, nor a \.json with caption or text$/);
  }
  await inFolder(async (folder) => {
    for (const name of ["pairs-000.tar", "pairs-001.tar"]) {
      await Deno.copyFile(`${made}/${name}`, `${folder}/${name}`);
    }
    assert.equal((await readSource(folder)).good.length, 4);
  });
});

Deno.test("a tar that is cut or altered is refused by the place", async () => {
  await inFolder(async (folder) => {
    const tar = await Deno.readFile(`${made}/pairs-000.tar`);
    await Deno.writeFile(`${folder}/cut.tar`, tar.subarray(0, 2100));
    await refused(
      `${folder}/cut.tar`,
      /cut\.tar is cut short: it ends at byte 2100, after "folder\/00\.\w+"\. Copy or download it again/,
    );
    const altered = tar.slice();
    altered[150] ^= 1;
    await Deno.writeFile(`${folder}/altered.tar`, altered);
    await refused(
      `${folder}/altered.tar`,
      /altered\.tar is damaged: the header at byte 0 has a wrong checksum/,
    );
    const size = parseInt(new TextDecoder().decode(tar.subarray(124, 136)), 8);
    const second = 512 + Math.ceil(size / 512) * 512;
    altered.set(tar);
    altered[second + 150] ^= 1;
    await Deno.writeFile(`${folder}/altered.tar`, altered);
    await refused(
      `${folder}/altered.tar`,
      new RegExp(`header at byte ${second}, after "folder/00\\.\\w+" has a wrong checksum`),
    );
    await Deno.writeFile(
      `${folder}/cut.tar.gz`,
      (await Deno.readFile(`${made}/packed.tar.gz`)).subarray(0, 200),
    );
    await refused(`${folder}/cut.tar.gz`, /cut\.tar\.gz is damaged/);
  });
});

Deno.test("Parquet in Hugging Face's layout is read, with every compression; rows without a part are named", async () => {
  for (const compression of ["snappy", "zstd", "gzip"]) {
    const { good, bad } = await readSource(`${made}/${compression}.parquet`);
    assert.equal(good.length, 5);
    assert.match(good[4], /^row 4\|ünï 4\|cat\|\d+$/);
    assert.deepEqual(bad, ["row 5: has no picture in image", "row 6: has no caption in text"]);
  }
  const { good } = await readSource(`${made}/bytes.parquet`);
  assert.match(good[1], /^row 1\|first 1\|\|\d+$/);
  await refused(`${made}/numbers.parquet`, /has no column for pictures among a, b: name one of them image, /);
  await inFolder(async (folder) => {
    const bytes = await Deno.readFile(`${made}/snappy.parquet`);
    await Deno.writeFile(`${folder}/cut.parquet`, bytes.subarray(0, bytes.length - 30));
    await refused(
      `${folder}/cut.parquet`,
      /cut\.parquet cannot be read as Parquet: .*Fetch or write it anew/,
    );
  });
});

Deno.test("a Parquet reader that does not answer is ended, and the file named", async () => {
  const shard = parquetShard(storedFile(`${made}/snappy.parquet`), { limitMs: 0 });
  await assert.rejects(async () => {
    for await (const _ of shard.read());
  }, { name: "SourceError", message: /snappy\.parquet .* takes more than 0 ms, so its reader was ended/ });
});

Deno.test("tables name pictures and captions by their usual columns, or by those given", async () => {
  await inFolder(async (folder) => {
    await write(folder, {
      "a.png": null,
      "below/b.png": null,
      "pairs.csv":
        '\ufeffFile_Name,Text,label\na.png,"one, ""quoted""",x\nbelow/b.png,two,\n,three,\nnone.png,four,\n../a.png,five,\na.png, ,\n',
      "pairs.tsv": 'url\ttitle\na.png\tone "inch"\n',
      "pairs.jsonl": '{"image":"a.png","caption":"日本"}\n\n{"image":"below/b.png","caption":"two","n":1}\n',
      "other.csv": "picture_file,words\na.png,one\n",
      "broken.jsonl": '{"image":"a.png","caption":"one"}\n{"image":\n',
      "broken.csv": 'image,caption\na.png,"one\n',
    });
    const { good, bad } = await readSource(`${folder}/pairs.csv`);
    assert.deepEqual(good, [`a.png|one, "quoted"|x|${picture.length}`, `below/b.png|two||${picture.length}`]);
    assert.equal(bad.length, 4);
    assert.equal(bad[0], "line 4: names no picture in File_Name");
    assert.match(bad[1], /^line 5: Cannot read ".*none\.png": there is no such file/);
    assert.match(bad[2], /^line 6: "\.\.\/a\.png" leads out of /);
    assert.equal(bad[3], "line 7: has no caption in Text");
    assert.deepEqual((await readSource(`${folder}/pairs.tsv`)).good, [`a.png|one "inch"||${picture.length}`]);
    assert.deepEqual((await readSource(`${folder}/pairs.jsonl`)).good, [
      `a.png|日本||${picture.length}`,
      `below/b.png|two||${picture.length}`,
    ]);
    await refused(`${folder}/other.csv`, /has no column for pictures among picture_file, words/);
    const columns = { image: "picture_file", caption: "words" };
    assert.equal((await readSource(`${folder}/other.csv`, { columns })).good.length, 1);
    await refused(`${folder}/broken.jsonl`, /broken\.jsonl, line 2, is no JSON/);
    await refused(`${folder}/broken.csv`, /broken\.csv cannot be read: .*Mend that line/);
  });
});

Deno.test("folders say what their pictures show by a table, by captions beside them, or by their names", async () => {
  await inFolder(async (folder) => {
    await write(`${folder}/table`, {
      "a.png": null,
      "metadata.jsonl": '{"file_name":"a.png","text":"one"}\n',
    });
    await write(`${folder}/beside`, {
      "a.png": null,
      "a.txt": " one\n",
      "b.png": null,
      "c.png": null,
      "c.txt": "",
      ".hidden.png": null,
    });
    await write(`${folder}/classes`, { "hot_dog/1.png": null, "hot_dog/2.png": null, "cat/1.png": null });
    await write(`${folder}/bare`, { "a.png": null });
    await write(`${folder}/nothing`, { "a.md": "x" });
    assert.deepEqual((await readSource(`${folder}/table`)).good, [`a.png|one||${picture.length}`]);
    const { good, bad } = await readSource(`${folder}/beside`);
    assert.deepEqual(good, [`a.png|one||${picture.length}`]);
    assert.deepEqual(bad, [
      "b.png: has no caption: there is no b.txt",
      "c.png: has no caption: c.txt is empty",
    ]);
    assert.deepEqual((await readSource(`${folder}/classes`)).good, [
      `cat/1.png|cat|cat|${picture.length}`,
      `hot_dog/1.png|hot dog|hot dog|${picture.length}`,
      `hot_dog/2.png|hot dog|hot dog|${picture.length}`,
    ]);
    await refused(`${folder}/bare`, /says not what its pictures show: put a caption beside each \(a\.txt\)/);
    await refused(`${folder}/nothing`, /holds no data set: no shards .* and no pictures/);
  });
});

Deno.test("a folder that holds several splits is refused, one of them is not", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/data`);
    for (const name of ["train-00000-of-00001", "test-00000-of-00001"]) {
      await Deno.copyFile(`${made}/snappy.parquet`, `${folder}/data/${name}.parquet`);
    }
    await refused(folder, /holds the splits test, train: name one, such as .*data\/test\*$/);
    assert.equal((await readSource(`${folder}/data/train*`)).good.length, 5);
    await Deno.remove(`${folder}/data/test-00000-of-00001.parquet`);
    assert.equal((await readSource(folder)).good.length, 5);
  });
});

Deno.test("a path that leads nowhere names the nearest, and one of no known kind is refused", async () => {
  await refused(`${made}/snapy.parquet`, /no data set at .*snapy\.parquet: did you mean .*snappy\.parquet\?/);
  await refused(`${made}/pairs-{000..002}.tar`, /no data set at .*pairs-002\.tar: did you mean/);
  await refused("/no/such/place", /no data set at \/no\/such\/place\. Look at the path/);
  await refused(`${made}/*.zip`, /No file in .* is called \*\.zip/);
  await refused(fileURLToPath(import.meta.url), /is no data set by its name: use \.tar, \.parquet/);
  await refused("", /An empty path/);
  await refused(`${made}/pairs-{3..1}.tar`, /counts down/);
  assert.deepEqual(expandBraces("a{08..10}-{x,y}"), ["a08-x", "a08-y", "a09-x", "a09-y", "a10-x", "a10-y"]);
});

Deno.test("reading stops when it is asked to", async () => {
  const { shards } = await openSource(`${made}/zstd.parquet::${made}/pairs-000.tar`);
  for (const shard of shards) {
    const controller = new AbortController();
    await assert.rejects(async () => {
      for await (const _ of shard.read(controller.signal)) controller.abort(new Error("enough"));
    }, /enough/);
  }
});
