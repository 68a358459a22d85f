/** Every tokenizer, normaliser and pre-tokenizer against Hugging Face's library, on 10,000 captions of all kinds. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { normalizer, type NormalizerConfig } from "../../src/data/normalizer.ts";
import { preTokenizer, type PreTokenizerConfig } from "../../src/data/pre_tokenizer.ts";
import {
  encodeCaptions,
  importTokenizer,
  loadTokenizer,
  type Tokenizer,
  trainTokenizer,
} from "../../src/data/tokenizer.ts";
import expected from "../fixtures/tokenizers/ids.json" with { type: "json" };
import { generatedCaptions } from "./caption_generator.ts";

const captions = [...generatedCaptions()];
const folder = new URL("../fixtures/tokenizers/", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, folder));

const kinds = ["clip", "bert", "siglip", "siglip2", "trained"] as const;
const configOf = (kind: string) => kind === "trained" ? null : read(`${kind}/tokenizer_config.json`);

/** Hashes of blocks of rows, as `make_tokenizers.py` takes them. */
function blockHashes(rows: readonly ArrayLike<number>[], block: number): string[] {
  return Array.from({ length: rows.length / block }, (_, at) => {
    const hash = createHash("sha256");
    for (const row of rows.slice(at * block, (at + 1) * block)) {
      hash.update(new Uint8Array(Uint32Array.of(row.length, ...Array.from(row)).buffer));
    }
    return hash.digest("hex").slice(0, 16);
  });
}

function assertEqualBlocks(kind: string, actual: readonly string[], wanted: readonly string[]): void {
  const differing = wanted.flatMap((hash, at) => hash === actual[at] ? [] : [at]);
  assert.deepEqual(
    differing,
    [],
    `see python tests/fixtures/make_tokenizers.py --show ${kind} ${differing[0]}`,
  );
  assert.equal(actual.length, wanted.length);
}

for (const kind of kinds) {
  const tokenizer: Tokenizer = loadTokenizer(read(`${kind}/tokenizer.json`));

  Deno.test(`${kind}: ids of 10,000 captions equal Hugging Face's`, () => {
    const rows = captions.map((caption) => tokenizer.encode(caption).ids);
    assertEqualBlocks(kind, blockHashes(rows, 100), expected.ids[kind]);
  });

  Deno.test(`${kind}: rows are padded and cut as its configuration says`, () => {
    const whole = loadTokenizer(importTokenizer(read(`${kind}/tokenizer.json`), configOf(kind)));
    const rows = encodeCaptions(whole, captions, 16);
    assertEqualBlocks(
      kind,
      blockHashes(captions.map((_, at) => rows.subarray(16 * at, 16 * at + 16)), 100),
      expected.rows[kind],
    );
  });
}

Deno.test("each normaliser and pre-tokenizer makes of them what Hugging Face's makes", () => {
  const encoder = new TextEncoder();
  for (const { part, config, hashes } of expected.steps) {
    const step = part === "normalizer"
      ? (text: string) => [normalizer(config as NormalizerConfig)(text)]
      : (text: string) => preTokenizer(config as PreTokenizerConfig)(text, true);
    for (const [block, wanted] of hashes.entries()) {
      const hash = createHash("sha256");
      for (const caption of captions.slice(1000 * block, 1000 * (block + 1))) {
        for (const piece of step(caption)) {
          const bytes = encoder.encode(piece);
          hash.update(new Uint8Array(Uint32Array.of(bytes.length).buffer)).update(bytes);
        }
      }
      assert.equal(hash.digest("hex").slice(0, 16), wanted, `${JSON.stringify(config)}, block ${block}`);
    }
  }
});

Deno.test("a changed id, or a changed caption, changes the hash of its block", () => {
  const rows = captions.slice(0, 200).map((_, at) => [at]);
  const changed = blockHashes([...rows.slice(0, 199), [0]], 100), before = blockHashes(rows, 100);
  assert.equal(changed[0], before[0]);
  assert.notEqual(changed[1], before[1]);
});

Deno.test("our own BPE is trained to the file that Hugging Face's library was given", () => {
  const trained = trainTokenizer([...generatedCaptions(7, 1000)], { vocabularySize: 600 });
  assert.equal(
    trained,
    read("trained/tokenizer.json"),
    "run tests/fixtures/train_tokenizer.ts and make.py again",
  );
});
