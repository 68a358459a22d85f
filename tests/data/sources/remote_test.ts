/** Data behind HTTP and in an S3-compatible store, from a server that misbehaves. */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { SourceError } from "../../../src/data/sources/source.ts";
import { readAll, storedFile } from "../../../src/data/sources/stored_file.ts";
import { readSource } from "./read.ts";

const made = new URL("../../fixtures/sources/", import.meta.url);
const patient = { retries: 3, backoffMs: 1, stallMs: 200 };

/** A server for the time of a test, and the ranges that it was asked for. */
async function served(
  answer: (request: Request, number: number) => Response | Promise<Response>,
  body: (address: string, asked: (string | null)[]) => Promise<void>,
): Promise<void> {
  const asked: (string | null)[] = [];
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    asked.push(request.headers.get("range"));
    return answer(request, asked.length);
  });
  await body(`http://127.0.0.1:${server.addr.port}`, asked);
}

/** The part of a file that a request asks for; `cut` bytes of it, then the connection breaks. */
async function part(request: Request, cut = Infinity, headers: HeadersInit = {}): Promise<Response> {
  const bytes = await Deno.readFile(new URL(`.${new URL(request.url).pathname}`, made));
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "") ?? [];
  const first = Number(from ?? 0), last = to ? Number(to) : bytes.length - 1;
  const wanted = bytes.subarray(first, last + 1);
  // A body that ends before its length: the server cuts the connection.
  const body = wanted.subarray(0, cut);
  const stream = new ReadableStream({
    start(controller) {
      if (body.length > 0) controller.enqueue(body);
      controller.close();
    },
  });
  return new Response(stream, {
    status: from === undefined ? 200 : 206,
    headers: {
      "content-length": `${wanted.length}`,
      ...(from === undefined ? {} : { "content-range": `bytes ${first}-${last}/${bytes.length}` }),
      ...headers,
    },
  });
}

Deno.test("shards and Parquet files are read over HTTP as from disk", async () => {
  await served((request) => part(request), async (address) => {
    for (const name of ["pairs-{000..001}.tar", "packed.tar.gz", "zstd.parquet"]) {
      const { good, bad } = await readSource(`${address}/${name}`, { remote: patient });
      const local = await readSource(
        new URL(name, made).pathname.replaceAll("%7B", "{").replaceAll("%7D", "}"),
      );
      assert.deepEqual([good, bad], [local.good, local.bad]);
    }
  });
});

Deno.test("a connection that is cut in mid-shard is taken up where it broke", async () => {
  await served((request, number) => part(request, number < 4 ? 3000 : Infinity), async (address, asked) => {
    const { good } = await readSource(`${address}/pairs-000.tar`, { remote: patient });
    assert.equal(good.length, 2);
    assert.deepEqual(asked, [
      null,
      "bytes=3000-",
      "bytes=6000-",
      "bytes=9000-",
    ]);
  });
});

Deno.test("a server that ignores ranges, stumbles or falls silent is borne with", async () => {
  const whole = await Deno.readFile(new URL("pairs-000.tar", made));
  const silent = () => new Response(new ReadableStream({ start: (c) => c.enqueue(whole.subarray(0, 100)) }));
  await served((request, number) => {
    if (number === 1) return part(request, 5000);
    if (number === 2) return new Response("busy", { status: 503 });
    if (number === 3) return silent();
    return new Response(whole); // all of it, though a range was asked for
  }, async (address) => {
    const bytes = await readAll(storedFile(`${address}/pairs-000.tar`, patient));
    assert.deepEqual(bytes, whole);
  });
});

Deno.test("what cannot be mended is refused with the address and the next step", async () => {
  const refused = async (
    answer: Parameters<typeof served>[0],
    message: RegExp,
    requests: number,
  ) => {
    await served(answer, async (address, asked) => {
      await assert.rejects(
        () => readSource(`${address}/pairs-000.tar`, { remote: patient }),
        (error: Error) => {
          assert.ok(error instanceof SourceError, `${error}`);
          assert.match(error.message, message);
          return true;
        },
      );
      assert.equal(asked.length, requests);
    });
  };
  await refused(
    () => new Response("", { status: 404 }),
    /pairs-000\.tar: the server answered 404.*Check the address/,
    1,
  );
  await refused(() => new Response("", { status: 403 }), /answered 403.*Check the keys/, 1);
  await refused(() => new Response("", { status: 500 }), /answered 500.*Try again later/, 4);
  await refused(
    (request, number) => part(request, 3000, { etag: `"${number}"` }),
    /was changed on the server/,
    2,
  );
  await refused((request) => part(request, 0), /4 times in a row\. Check the network/, 4);
  await assert.rejects(
    () => readSource("http://127.0.0.1:1/a.tar", { remote: { ...patient, retries: 1 } }),
    /Cannot read http:\/\/127\.0\.0\.1:1\/a\.tar: .*2 times in a row/,
  );
});

Deno.test("tables name pictures by address, and none outside of their folder", async () => {
  const picture = await Deno.readFile(new URL("../images/rgb.png", made));
  await served(({ url }) => {
    const { pathname } = new URL(url);
    if (pathname === "/set/pairs.csv") {
      return new Response("url,text\na.png,one\n../b.png,two\n/c.png,three\n");
    }
    return pathname === "/set/a.png" ? new Response(picture) : new Response("", { status: 404 });
  }, async (address, asked) => {
    const { good, bad } = await readSource(`${address}/set/pairs.csv`, { remote: patient });
    assert.deepEqual(good, [`a.png|one||${picture.length}`]);
    assert.deepEqual(bad.map((line) => line.replace(address, "")), [
      'line 3: "../b.png" leads out of /set',
      'line 4: "/c.png" leads out of /set',
    ]);
    assert.equal(asked.length, 2);
  });
});

/** AWS Signature Version 4 of a request, computed from its definition. */
function signature(request: Request, secret: string, region: string): string {
  const url = new URL(request.url), date = request.headers.get("x-amz-date")!;
  const [, signed] = /SignedHeaders=([^,]+)/.exec(request.headers.get("authorization")!)!;
  const sha = (text: string) => createHash("sha256").update(text).digest("hex");
  const hmac = (key: string | Uint8Array, text: string) => createHmac("sha256", key).update(text).digest();
  const query = [...url.searchParams].map((pair) => pair.map(encodeURIComponent).join("=")).sort().join("&");
  const canonical = [
    request.method,
    url.pathname,
    query,
    ...signed.split(";").map((name) => `${name}:${name === "host" ? url.host : request.headers.get(name)}`),
    "",
    signed,
    request.headers.get("x-amz-content-sha256"),
  ].join("\n");
  const scope = `${date.slice(0, 8)}/${region}/s3/aws4_request`;
  const key = scope.split("/").reduce<string | Uint8Array>((key, part) => hmac(key, part), `AWS4${secret}`);
  return hmac(key as Uint8Array, ["AWS4-HMAC-SHA256", date, scope, sha(canonical)].join("\n")).toString(
    "hex",
  );
}

Deno.test("an S3-compatible store is listed and read with signed requests", async () => {
  const secret = "secret/key", kept = { ...Deno.env.toObject() };
  const pages = [
    "<Key>set/pairs-001.tar</Key><Key>set/readme.md</Key><NextContinuationToken>a&amp;b</NextContinuationToken>",
    "<Key>set/pairs-000.tar</Key>",
  ];
  try {
    await served((request) => {
      const authorization = request.headers.get("authorization") ?? "";
      if (!authorization.includes(`Signature=${signature(request, secret, "eu-central-1")}`)) {
        return new Response("", { status: 403 });
      }
      const url = new URL(request.url);
      if (url.searchParams.has("list-type")) {
        assert.equal(url.searchParams.get("prefix"), "set/pairs-");
        return new Response(pages[url.searchParams.get("continuation-token") === "a&b" ? 1 : 0]);
      }
      return part(
        new Request(new URL(url.pathname.replace("/bucket/set", ""), url), { headers: request.headers }),
      );
    }, async (address) => {
      for (
        const [name, value] of Object.entries({
          AWS_ENDPOINT_URL: address,
          AWS_ACCESS_KEY_ID: "id",
          AWS_SECRET_ACCESS_KEY: secret,
          AWS_REGION: "eu-central-1",
        })
      ) Deno.env.set(name, value);
      const { good, shards } = await readSource("s3://bucket/set/pairs-*.tar", { remote: patient });
      assert.deepEqual([good.length, shards], [4, 2]);
      assert.match(good[0], /caption 0 0/);
      await assert.rejects(
        () => readSource("s3://bucket/set/pairs-*.zip", { remote: patient }),
        /The store has no s3:/,
      );
      Deno.env.set("AWS_SECRET_ACCESS_KEY", "wrong");
      await assert.rejects(
        () => readSource("s3://bucket/set/pairs-000.tar", { remote: patient }),
        /answered 403.*AWS_ACCESS_KEY_ID/,
      );
    });
  } finally {
    for (const name of ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]) {
      if (kept[name] === undefined) Deno.env.delete(name);
      else Deno.env.set(name, kept[name]);
    }
  }
});
