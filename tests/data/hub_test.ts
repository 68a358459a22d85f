/** Fetching a model by name, against a hub on this machine that fails in every way a network does. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fetchModel } from "../../src/data/hub.ts";
import { importModel } from "../../src/models/pretrained/import.ts";
import { readModelFolder } from "../../src/storage/model_folder.ts";

const fixtures = new URL("../fixtures/pretrained/", import.meta.url).pathname;
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const patience = { silenceMs: 400, pauseMs: 1 };

interface Request {
  readonly path: string;
  readonly range: string | null;
  readonly token: string | null;
}

/** A hub that holds one folder as `owner/name`; `answer` may take a request's place. */
async function withHub(
  folder: string,
  check: (hub: { endpoint: string; cache: string; requests: Request[] }) => Promise<void>,
  answer: (request: Request, content: Uint8Array<ArrayBuffer> | null) => Response | undefined = () =>
    undefined,
): Promise<void> {
  const requests: Request[] = [], cache = await Deno.makeTempDir();
  await using server = Deno.serve(
    { port: 0, hostname: "localhost", onListen: () => {} },
    async (incoming) => {
      const path = new URL(incoming.url).pathname;
      const request = {
        path,
        range: incoming.headers.get("range"),
        token: incoming.headers.get("authorization"),
      };
      requests.push(request);
      const content = await Deno.readFile(`${fixtures}${folder}/${path.split("/").at(-1)}`).catch(() => null);
      const special = answer(request, content);
      if (special) return special;
      if (!content || !path.startsWith("/owner/name/resolve/")) return new Response("no", { status: 404 });
      const headers = {
        "x-repo-commit": COMMIT,
        ...(path.endsWith(".safetensors")
          ? { "x-linked-etag": `"${createHash("sha256").update(content).digest("hex")}"` }
          : {}),
      };
      const from = Number(/^bytes=(\d+)-$/.exec(request.range ?? "")?.[1] ?? 0);
      if (from >= content.length) return new Response(null, { status: 416, headers });
      return new Response(content.subarray(from), { status: from ? 206 : 200, headers });
    },
  );
  try {
    await check({ endpoint: `http://localhost:${server.addr.port}`, cache, requests });
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

for (const name of ["siglip", "clip_first", "vit"]) {
  Deno.test(`${name} is fetched by name, once, and imports as from disk`, async () => {
    await withHub(name, async ({ requests, ...hub }) => {
      const folder = await fetchModel("hf:owner/name", { ...hub, token: "secret" });
      assert.equal(folder, `${hub.cache}/hub/owner--name/${COMMIT}`);
      const fetched = importModel(await readModelFolder(folder), { textPreset: "mini" });
      const kept = importModel(await readModelFolder(`${fixtures}${name}`), { textPreset: "mini" });
      assert.deepEqual(fetched.config, kept.config);
      assert.deepEqual(fetched.parameters, kept.parameters);
      assert.ok(requests.every(({ token }) => token === "Bearer secret"));
      assert.ok(
        requests[0].path.includes("/main/") && requests.slice(1).every(({ path }) => path.includes(COMMIT)),
      );
      const weights = () => requests.filter(({ path }) => path.endsWith(".safetensors")).length;
      const before = weights();
      assert.equal(await fetchModel("hf:owner/name@main", hub), folder);
      assert.equal(weights(), before, "weights that are there are not fetched again");
    });
  });
}

/** A body that ends, or falls silent, after so many bytes. */
function broken(
  content: Uint8Array<ArrayBuffer>,
  bytes: number,
  silent: boolean,
  headers: HeadersInit,
): Response {
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      controller.enqueue(content.slice(0, bytes));
    },
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 30)); // so that what was sent arrives
      if (!silent) controller.error(new Error("cut"));
      else await new Promise((resolve) => setTimeout(resolve, 700));
    },
  });
  return new Response(body, { headers: { "content-length": String(content.length), ...headers } });
}

for (const silent of [false, true]) {
  Deno.test(`a connection that ${silent ? "falls silent" : "is cut"} goes on where it was`, async () => {
    let cut = false;
    await withHub("siglip", async ({ requests, ...hub }) => {
      const folder = await fetchModel("hf:owner/name", { ...hub, patience });
      const whole = await Deno.readFile(`${fixtures}siglip/model.safetensors`);
      assert.deepEqual(await Deno.readFile(`${folder}/model.safetensors`), whole);
      const ranges = requests.filter(({ path }) => path.endsWith("model.safetensors")).map(({ range }) =>
        range
      );
      assert.deepEqual(ranges, [null, "bytes=5000-"]);
    }, ({ path }, content) => {
      if (cut || !path.endsWith("model.safetensors")) return;
      cut = true;
      return broken(content!, 5000, silent, { "x-repo-commit": COMMIT });
    });
  });
}

Deno.test("a redirect to another host is followed without the token", async () => {
  await withHub("siglip", async (other) => {
    await withHub(
      "siglip",
      async (hub) => {
        await fetchModel("hf:owner/name", { ...hub, token: "secret" });
        const weights = other.requests.filter(({ path }) => path.endsWith("model.safetensors"));
        assert.deepEqual(weights.map(({ token }) => token), [null]);
      },
      ({ path }) =>
        path.endsWith("model.safetensors")
          ? new Response(null, { status: 302, headers: { location: `${other.endpoint}${path}` } })
          : undefined,
    );
  });
});

Deno.test("what the hub refuses, lacks or spoils is said, and not kept", async () => {
  const cases: [
    RegExp,
    (request: Request, content: Uint8Array<ArrayBuffer> | null) => Response | undefined,
  ][] = [
    [/has no config\.json at http.*check its name/, () => new Response("no", { status: 404 })],
    [/refuses "config\.json" .* \(401\): set HF_TOKEN/, () => new Response("no", { status: 401 })],
    [/after 5 tries: it answered 503.*HF_ENDPOINT/, () => new Response("no", { status: 503 })],
    [
      /no weights as safetensors: "model\.safetensors" is not there/,
      ({ path }) => path.endsWith("model.safetensors") ? new Response("no", { status: 404 }) : undefined,
    ],
    [
      /"model\.safetensors" .* is not what the hub says/,
      ({ path }, content) =>
        path.endsWith("model.safetensors")
          ? new Response(content!.map((byte) => byte ^ 1), { headers: { "x-linked-etag": "0".repeat(64) } })
          : undefined,
    ],
  ];
  for (const [message, answer] of cases) {
    await withHub("siglip", async ({ requests: _, ...hub }) => {
      await assert.rejects(fetchModel("hf:owner/name", { ...hub, patience }), { name: "HubError", message });
      const kept = Array.from(Deno.readDirSync(hub.cache));
      for (const { name } of kept) {
        const folder = `${hub.cache}/${name}/owner--name/${COMMIT}`;
        assert.ok(
          !Array.from(Deno.readDirSync(folder)).some(({ name }) => name.startsWith("model.safetensors")),
        );
      }
    }, answer);
  }
});

Deno.test("names that are none are refused before anything is asked", async () => {
  for (const name of ["hf:owner", "hf:../name", "hf:a/b/c", "hf:owner/name@../x", "owner/name"]) {
    await assert.rejects(fetchModel(name, { endpoint: "http://localhost:1" }), {
      name: "TypeError",
      message: /names no model of a hub: write hf:owner\/name/,
    });
  }
});
