import assert from "node:assert/strict";
import fc from "fast-check";
import { END_ID, PAD_ID } from "../../src/data/bpe.ts";
import { encodeCaptions, importTokenizer, loadTokenizer, trainTokenizer } from "../../src/data/tokenizer.ts";
import expected from "./tokenizer_ids.json" with { type: "json" };

const captions = [
  "red heart",
  "a picture of red heart",
  "grinning face",
  "grinning face, smile",
  "red apple",
  "green apple",
  "arrow left bold",
  "arrow right bold",
  "hearts: red heart",
];
const json = trainTokenizer(captions, { vocabularySize: 300 });
const tokenizer = loadTokenizer(json);
const ids = (caption: string) => tokenizer.encode(caption, { add_special_tokens: false }).ids;

Deno.test("Python's tokenizers reads the same ids from the same file", () => {
  for (const { caption, ids: theirs } of expected.encoded) assert.deepEqual(ids(caption), theirs, caption);
});

Deno.test("the same captions train the same tokenizer", () => {
  assert.equal(trainTokenizer([...captions], { vocabularySize: 300 }), json);
  assert.notEqual(trainTokenizer(captions.slice(1), { vocabularySize: 300 }), json);
});

Deno.test("the vocabulary stays within its size, and frequent words become one token", () => {
  const vocabulary = Object.keys(JSON.parse(json).model.vocab);
  assert.ok(vocabulary.length <= 300);
  assert.equal(ids("red heart").length, 2);
  assert.ok(ids("zebra").length > 2);
});

Deno.test("any text comes back from its tokens, in lower case", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (text) => {
      fc.pre(!/<pad>|<\/s>/.test(text));
      const lower = text.toLowerCase().toWellFormed();
      assert.equal(tokenizer.decode(ids(lower), { skip_special_tokens: true }), lower);
    }),
    { examples: [[" ! "], ["it 's , fine ."]] },
  );
});

Deno.test("rows hold the caption, the end token and padding; the end token survives a cut", () => {
  const rows = encodeCaptions(tokenizer, ["red heart", "grinning face, smile and more words", ""], 6);
  assert.deepEqual([...rows.subarray(0, 6)], [...ids("red heart"), END_ID, PAD_ID, PAD_ID, PAD_ID]);
  assert.deepEqual([...rows.subarray(6, 11)], ids("grinning face, smile and more words").slice(0, 5));
  assert.equal(rows[11], END_ID);
  assert.deepEqual([...rows.subarray(12)], [END_ID, PAD_ID, PAD_ID, PAD_ID, PAD_ID, PAD_ID]);
});

Deno.test("a vocabulary without room for the bytes, and a file that is no tokenizer, are refused", () => {
  assert.throws(() => trainTokenizer(captions, { vocabularySize: 257 }), /use 258 or more/);
  assert.throws(() => loadTokenizer("{"), TypeError);
  assert.throws(() => loadTokenizer("{}"), /no tokenizer\.json: it has no vocabulary/);
  assert.throws(() => loadTokenizer("null"), /no tokenizer\.json: it has no vocabulary/);
});

Deno.test("an imported tokenizer says by itself what its configuration said", () => {
  const plain = JSON.parse(json);
  const bare = JSON.stringify({ ...plain, padding: null, post_processor: null });
  const config = JSON.stringify({
    tokenizer_class: "SiglipTokenizer",
    pad_token: { content: "</s>" },
    model_max_length: 6,
    padding_side: "left",
  });
  const imported = importTokenizer(bare, config), file = JSON.parse(imported);
  assert.equal(importTokenizer(imported, null, { length: 6 }), imported);
  assert.deepEqual(file.padding.strategy, { Fixed: 6 });
  assert.equal(file.truncation.max_length, 6);
  // The class drops case and punctuation and appends the end; the configuration pads with the end, on the left.
  const rows = encodeCaptions(loadTokenizer(imported), ["Red,  heart!"], 6);
  assert.deepEqual([...rows], [END_ID, END_ID, END_ID, ...ids("red heart"), END_ID]);

  const unlimited = JSON.parse(importTokenizer(json, `{"model_max_length": 1e30}`, { lowercase: true }));
  assert.equal(unlimited.truncation, null);
  assert.deepEqual(unlimited.normalizer, plain.normalizer, "it lower-cases already");
  const cased = JSON.parse(importTokenizer(JSON.stringify({ ...plain, normalizer: { type: "NFC" } }), null, {
    lowercase: true,
  }));
  assert.deepEqual(cased.normalizer.normalizers.map(({ type }: { type: string }) => type), [
    "Lowercase",
    "NFC",
  ]);
});

Deno.test("a padding token that is not there, a part that is not known and rows without room are refused", () => {
  assert.throws(() => importTokenizer(json, `{"pad_token": "<blank>"}`), /pads with "<blank>".*one model/);
  assert.throws(() => importTokenizer("{}", null), /no tokenizer\.json: it has no vocabulary/);
  assert.throws(() => importTokenizer(json, "["), /no tokenizer_config\.json/);
  const withPart = (part: object) => () => loadTokenizer(JSON.stringify({ ...JSON.parse(json), ...part }));
  assert.throws(withPart({ normalizer: { type: "Nmt" } }), /normalizer "Nmt" is not known/);
  assert.throws(withPart({ pre_tokenizer: { type: "Own" } }), /pre-tokenizer "Own" is not known/);
  assert.throws(withPart({ post_processor: { type: "Own" } }), /post-processor "Own" is not known|Unknown/);
  for (const [map, fault] of [["AA==", /cut short/], ["*", /not base64/]] as const) {
    assert.throws(withPart({ normalizer: { type: "Precompiled", precompiled_charsmap: map } }), fault);
  }
  assert.throws(() => encodeCaptions(tokenizer, ["red"], 1), /leave no room.*adds 1/);
});
