import assert from "node:assert/strict";
import fc from "fast-check";
import { END_ID, PAD_ID } from "../../src/data/bpe.ts";
import { encodeCaptions, loadTokenizer, trainTokenizer } from "../../src/data/tokenizer.ts";
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
  assert.throws(() => loadTokenizer("{}"), TypeError);
});
