import assert from "node:assert/strict";
import {
  decodeEmbeddings,
  EMBEDDING_FORMAT,
  encodeEmbeddings,
  type KeyedEmbeddings,
} from "../../src/data/embedding_file.ts";
import { readEmbeddings } from "../../src/run/reference.ts";
import { unitRows } from "../eval/embeddings.ts";

const width = 6, n = 5;
const embeddings: KeyedEmbeddings = {
  keys: ["a", "b", "c", "d", "e"],
  shards: ["0.tar", "0.tar", "1.tar", "1.tar", "0.tar"],
  captions: ["a dog", "ein Hund", "狗", "", '"quoted"\n'],
  image: unitRows(1, n, width),
  text: unitRows(2, n, width),
  header: {
    format: EMBEDDING_FORMAT,
    width,
    logitScale: 10,
    logitBias: -5,
    model: "m.safetensors",
    modelHash: "00",
    data: "pairs",
  },
};

Deno.test("embeddings are read as they were written, from safetensors and Parquet, one tower or both", async () => {
  for (const path of ["x.safetensors", "x.parquet"]) {
    for (const part of [embeddings, { ...embeddings, text: null }, { ...embeddings, image: null }]) {
      assert.deepEqual(await decodeEmbeddings(new Uint8Array(encodeEmbeddings(part, path)), path), part);
    }
  }
});

Deno.test("select reads what embed writes", () => {
  const set = readEmbeddings(encodeEmbeddings(embeddings, "x.safetensors"), "x");
  assert.deepEqual(set, {
    image: embeddings.image,
    text: embeddings.text,
    width,
    logitScale: 10,
    logitBias: -5,
  });
});

Deno.test("another file, and a damaged one, are refused by name", async () => {
  const bytes = (path: string) => new Uint8Array(encodeEmbeddings(embeddings, path));
  await assert.rejects(decodeEmbeddings(bytes("x").subarray(0, 900), "cut.safetensors"), /cut\.safetensors/);
  await assert.rejects(
    decodeEmbeddings(bytes("x.parquet").subarray(0, 300), "cut.parquet"),
    /cut\.parquet cannot be read/,
  );
  const other = encodeEmbeddings(
    { ...embeddings, header: { ...embeddings.header, format: "x" as never } },
    "x",
  );
  await assert.rejects(
    decodeEmbeddings(new Uint8Array(other), "o.safetensors"),
    /o\.safetensors holds no embeddings: .* Make it with superbatch embed/,
  );
  const fewer = encodeEmbeddings({ ...embeddings, captions: ["one"] }, "x");
  await assert.rejects(
    decodeEmbeddings(new Uint8Array(fewer), "f"),
    /f: its 5 keys, 1 captions and shards do not fit/,
  );
});
