/** The real packages in a small pool of many in-domain pictures. */
import assert from "node:assert/strict";
import { buildDefaultData, rootMeanSquare } from "../../src/data/default_data.ts";
import type { PairDataset } from "../../src/data/dataset.ts";

const cacheFolder = await Deno.makeTempDir();
const options = {
  poolSize: 2000,
  inDomainShare: 0.9,
  captionNoise: 0.3,
  imageSize: 32,
  seed: 1,
  cacheFolder,
};
const stages = new Set<string>();
const data = await buildDefaultData({ ...options, onProgress: ({ stage }) => stages.add(stage) });
const { reference, pool, test, concepts, notes } = data;
const sum = (flags: Uint8Array) => flags.reduce((total, flag) => total + flag, 0);
const picture = ({ pictures }: PairDataset, at: number) => pictures.slice(at, 1);

Deno.test("the three sets have their sizes, vendors and concepts", () => {
  assert.ok(concepts.length > 1600 && concepts.every(({ group }) => group !== "Flags"));
  assert.deepEqual(reference.sources, ["noto"]);
  assert.deepEqual(test.sources, ["twemoji"]);
  assert.equal(new Set(test.concept).size, test.size);
  assert.deepEqual(test.captions, Array.from(test.concept, (concept) => concepts[concept].name));
  assert.ok(!pool.sources.includes("twemoji") && !pool.sources.includes("noto"));
  assert.equal(pool.size, 2000);
  assert.equal(sum(pool.inDomain), 1800);
  assert.deepEqual(pool.concept.map((concept) => concept >= 0 ? 1 : 0), Int32Array.from(pool.inDomain));
  assert.equal(Object.values(notes.inDomain).reduce((a, b) => a + b), 1800);
  assert.deepEqual([...stages], ["fetch the data", "draw the pictures"]);
});

Deno.test("no in-domain picture nearly equals the test picture of its concept", () => {
  const tested = new Map(Array.from(test.concept, (concept, at) => [concept, picture(test, at)]));
  pool.concept.forEach((concept, at) => {
    if (concept >= 0) {
      assert.ok(rootMeanSquare(picture(pool, at), tested.get(concept)!) >= 0.05, pool.captions[at]);
    }
  });
  assert.ok(notes.leaked > 0 && notes.leaked < 50, `${notes.leaked} left out`);
});

Deno.test("captions of unclean pairs belong to other concepts, those of clean ones to their own", () => {
  const shuffled = pool.size - sum(pool.clean);
  assert.ok(Math.abs(shuffled - 0.3 * 1800) <= 10, `${shuffled} exchanged`);
  pool.concept.forEach((concept, at) => {
    if (concept < 0) assert.equal(pool.clean[at], 1);
    else if (pool.clean[at]) assert.ok(pool.captions[at].includes(concepts[concept].name), pool.captions[at]);
  });
});

Deno.test("the cache, and a new build where the cache is damaged, give the same data", async () => {
  const fromCache = await buildDefaultData(options);
  for (const part of ["reference", "pool", "test"] as const) {
    const { pictures: kept, ...others } = fromCache[part], { pictures, ...built } = data[part];
    assert.deepEqual(others, built);
    assert.deepEqual(kept.slice(0, kept.size), pictures.slice(0, pictures.size));
  }
  assert.deepEqual([fromCache.concepts, fromCache.notes], [concepts, notes]);
  const file = [...Deno.readDirSync(cacheFolder)].find(({ name }) => name.startsWith("data"))!.name;
  await Deno.truncate(`${cacheFolder}/${file}`, 5000);
  const rebuilt = await buildDefaultData(options);
  assert.equal(rebuilt.pool.hash, pool.hash);
  assert.deepEqual(rebuilt.notes, notes);
});

Deno.test("duplicates repeat few pictures, hidden concepts are not shown where they are hidden", async () => {
  const clean = { ...options, captionNoise: 0 };
  const count = (set: PairDataset) => {
    const copies = new Map<string, number>();
    // Repeats are shifted by up to a pixel, so their kinds are told apart by concept and source.
    set.concept.forEach((concept, at) => {
      const key = `${concept} ${set.source[at]}`;
      if (concept >= 0) copies.set(key, (copies.get(key) ?? 0) + 1);
    });
    return copies;
  };
  const once = await buildDefaultData(clean);
  assert.equal(count(once.pool).size, 1800, "without duplicates each vendor draws a concept once");
  const repeated = await buildDefaultData({ ...clean, duplicates: 0.5 });
  assert.equal(repeated.pool.size, 2000);
  assert.equal(sum(repeated.pool.inDomain), 1800);
  const copies = [...count(repeated.pool).values()].toSorted((a, b) => b - a);
  assert.equal(copies.length, 900);
  assert.equal(copies.filter((copies) => copies > 1).length, 45, "a twentieth is repeated");
  assert.ok(copies[0] > 150 && copies[0] > 5 * copies[20], `${copies.slice(0, 30)}`);
  const tested = new Map(
    Array.from(repeated.test.concept, (concept, at) => [concept, picture(repeated.test, at)]),
  );
  repeated.pool.concept.forEach((concept, at) => {
    if (concept >= 0) assert.ok(rootMeanSquare(picture(repeated.pool, at), tested.get(concept)!) >= 0.05);
  });

  const shown = (set: PairDataset) => new Set(set.concept);
  const unknown = await buildDefaultData({ ...clean, unknownConcepts: 0.5 });
  assert.ok(Math.abs(shown(unknown.reference).size - shown(test).size / 2) <= 1);
  assert.equal(unknown.pool.hash, once.pool.hash, "the pool still shows them");
  assert.equal(unknown.test.hash, test.hash);

  const held = await buildDefaultData({ ...clean, poolSize: 1500, heldOutConcepts: 0.2 });
  assert.ok(Math.abs(held.test.size - 0.2 * test.size) <= 1);
  const names = new Set(held.test.captions);
  for (const set of [held.reference, held.pool]) {
    assert.ok(shown(held.test).intersection(shown(set)).size === 0, `${set.name} shows a held-out concept`);
    assert.ok(set.captions.every((caption) => !names.has(caption)));
  }
});

Deno.test("another seed draws another pool for the same test set", async () => {
  const other = await buildDefaultData({ ...options, poolSize: 100, seed: 2 });
  const same = await buildDefaultData({ ...options, poolSize: 100, seed: 3 });
  assert.notEqual(other.pool.hash, same.pool.hash);
  assert.equal(other.test.hash, test.hash);
});

Deno.test("options out of range are refused with their value", async () => {
  const refused = (change: object, message: RegExp) =>
    assert.rejects(
      () => buildDefaultData({ ...options, ...change }),
      (error: Error) => error instanceof RangeError && message.test(error.message),
    );
  await refused({ poolSize: 0 }, /poolSize is 0/);
  await refused({ poolSize: 10.5 }, /poolSize is 10.5/);
  await refused({ inDomainShare: 1.1 }, /inDomainShare is 1.1, expected a number from 0 to 1/);
  await refused({ captionNoise: NaN }, /captionNoise is NaN/);
  await refused({ duplicates: 1 }, /duplicates is 1, expected a number from 0 to below 1/);
  await refused({ unknownConcepts: -0.5 }, /unknownConcepts is -0.5/);
  await refused({ imageSize: 0 }, /imageSize is 0/);
  await refused({ seed: -1 }, /seed is -1/);
  await refused({ poolSize: 1_000_000 }, /too large: there are \d+ in-domain pictures and \d+ others/);
});

globalThis.addEventListener("unload", () => Deno.removeSync(cacheFolder, { recursive: true }));
