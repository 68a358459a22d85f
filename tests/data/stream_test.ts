import assert from "node:assert/strict";
import fc from "fast-check";
import { BadSample, type DataSource, SourceError } from "../../src/data/sources/source.ts";
import { streamPairs } from "../../src/data/stream.ts";

/** Shards of the given sizes; `bad` tells which samples cannot be used. Reading is as slow as chance has it. */
function stored(sizes: readonly number[], bad = (_shard: number, _position: number) => false): DataSource {
  const shards = sizes.map((size, shard) => ({
    name: `shard${shard}`,
    async *read() {
      for (let position = 0; position < size; position++) {
        if (Math.random() < 0.2) await new Promise((resolve) => setTimeout(resolve));
        const key = `${position}`;
        yield bad(shard, position)
          ? new BadSample(`shard${shard}`, key, "no caption")
          : { key, shard: `shard${shard}`, image: new Uint8Array([1]), caption: "a" };
      }
    },
  }));
  return { name: "set", shards };
}

async function order(
  source: DataSource | DataSource[],
  options: Parameters<typeof streamPairs>[1],
  limit = Infinity,
): Promise<string[]> {
  const seen: string[] = [];
  for await (const { source: set, shard, position, epoch } of streamPairs(source, options)) {
    seen.push(`${set}/${shard}/${position}/${epoch}`);
    if (seen.length >= limit) break;
  }
  return seen;
}

const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 });

Deno.test("an epoch holds each pair once, in an order that the number of readers does not change", async () => {
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.nat(),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 2, max: 5 }),
      async (sizes, seed, buffer, readers) => {
        const one = await order(stored(sizes), { seed, buffer, epochs: 1, readers: 1 });
        const many = await order(stored(sizes), { seed, buffer, epochs: 1, readers });
        assert.deepEqual(many, one);
        const all = sizes.flatMap((size, shard) =>
          Array.from({ length: size }, (_, at) => `0/${shard}/${at}/0`)
        );
        assert.deepEqual([...one].sort(), all.sort());
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("epochs and seeds differ, and an epoch is the same when it is begun with", async () => {
  const source = stored([20, 20, 20]);
  const both = await order(source, { seed: 1, buffer: 16, epochs: 2 });
  const second = await order(source, { seed: 1, buffer: 16, epoch: 1, epochs: 1 });
  assert.deepEqual(both.slice(60), second);
  const places = (seen: string[]) => seen.map((each) => each.replace(/\d+$/, ""));
  assert.notDeepEqual(places(both.slice(0, 60)), places(second));
  assert.notDeepEqual(await order(source, { seed: 2, buffer: 16, epoch: 1, epochs: 1 }), second);
});

Deno.test("a mix follows its weights and is the same every time", async () => {
  const mix = () => order([stored([30]), stored([7, 8])], { seed: 3, weights: [2, 1], buffer: 8 }, 900);
  const seen = await mix();
  assert.deepEqual(await mix(), seen);
  const share = seen.filter((each) => each.startsWith("0/")).length / seen.length;
  // Five standard deviations of a binomial share of 2/3 over 900 draws.
  assert.ok(Math.abs(share - 2 / 3) < 5 * Math.sqrt(2 / 9 / 900), `share ${share}`);
  assert.ok(
    (await order([stored([9]), stored([9])], { seed: 3, weights: [1, 0] }, 40)).every((each) =>
      each.startsWith("0/")
    ),
  );
});

Deno.test("bad samples are skipped and told of; positions count them", async () => {
  const told: string[] = [];
  const seen = await order(stored([40, 40], (_, position) => position % 20 === 0), {
    seed: 1,
    epochs: 1,
    onBad: ({ shard, key }) => told.push(`${shard}/${key}`),
  });
  assert.equal(seen.length, 76);
  assert.ok(!seen.some((each) => /\/(0|20)\/0$/.test(each)));
  assert.deepEqual(told.sort(), ["shard0/0", "shard0/20", "shard1/0", "shard1/20"]);
});

Deno.test("too many bad samples stop the stream, and so does a set without a usable pair", async () => {
  await assert.rejects(order(stored([200], (_, position) => position % 5 === 0), { seed: 1, epochs: 1 }), {
    name: "DataQualityError",
    message: /more than the 10 % allowed.*"0" in shard0: no caption/,
    seen: 101, // 20 of the first 100 are bad: the next bad one after the hundredth sample tells
  });
  await assert.rejects(order(stored([5], () => true), { seed: 1 }), {
    name: "DataQualityError",
    message: /set holds no usable pair: 5 of 5/,
  });
});

Deno.test("a damaged shard's error comes at its place, and shards that were opened are closed", async () => {
  let closed = 0;
  const shard = (name: string, broken: boolean) => ({
    name,
    async *read() {
      try {
        for (let at = 0; at < 100; at++) {
          if (broken && at === 3) throw new SourceError(`${name} is cut short`, name);
          yield { key: `${at}`, shard: name, image: new Uint8Array(1), caption: "a" };
        }
      } finally {
        closed++;
      }
    },
  });
  const source = { name: "set", shards: [shard("a", true), shard("b", true), shard("c", true)] };
  await assert.rejects(order(source, { seed: 1, readers: 3 }), { name: "SourceError" });
  assert.equal(closed, 3);
  closed = 0;
  const sound = { name: "set", shards: [shard("a", false), shard("b", false)] };
  await order(sound, { seed: 1, buffer: 4, readers: 2 }, 10);
  assert.equal(closed, 2);
});

Deno.test("options out of range are refused", async () => {
  const one = stored([1]);
  for (
    const options of [{ weights: [1, 2] }, { weights: [0] }, { buffer: 0 }, { readers: 0.5 }, { maxBad: 2 }]
  ) {
    await assert.rejects(order(one, { seed: 1, ...options }), { name: "RangeError" });
  }
  await assert.rejects(order([one, one], { seed: 1, epochs: 1 }), { name: "RangeError" });
});
