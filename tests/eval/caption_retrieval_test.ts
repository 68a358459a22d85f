import assert from "node:assert/strict";
import { captionRetrieval } from "../../src/eval/caption_retrieval.ts";
import { clipTemplates, promptsOf } from "../../src/eval/prompt_templates.ts";
import { retrieval } from "../../src/eval/retrieval.ts";
import { unitRows } from "./embeddings.ts";

const width = 4;

Deno.test("with one caption a picture it is the retrieval of pairs", () => {
  const n = 150, image = unitRows(1, n, width), text = unitRows(2, n, width);
  const { imageToText, textToImage } = captionRetrieval(
    image,
    text,
    Int32Array.from({ length: n }, (_, i) => i),
    width,
  );
  const pairs = retrieval(image, text, n, width);
  for (const [many, one] of [[imageToText, pairs.imageToText], [textToImage, pairs.textToImage]]) {
    const { r10: _, ...rest } = many as typeof imageToText;
    assert.deepEqual(rest, one);
  }
  assert.ok(imageToText.r10 >= imageToText.r5 && imageToText.r5 >= imageToText.r1);
});

Deno.test("several captions a picture: the best counts, and every picture is ranked once", () => {
  const m = 40, each = 3, image = unitRows(3, m, width), text = unitRows(4, m * each, width);
  const pictureOf = Int32Array.from({ length: m * each }, (_, caption) => caption % m);
  const { imageToText, textToImage } = captionRetrieval(image, text, pictureOf, width);
  // By sorting; no two scores are equal.
  const score = (picture: number, caption: number) =>
    image.subarray(picture * width, (picture + 1) * width)
      .reduce((sum, value, d) => sum + value * text[caption * width + d], 0);
  const pictures = [...Array(m).keys()], captions = [...Array(m * each).keys()];
  const share = (ranks: number[], k: number) => ranks.filter((rank) => rank < k).length / ranks.length;
  const ofPicture = pictures.map((picture) =>
    captions.toSorted((a, b) => score(picture, b) - score(picture, a))
      .findIndex((caption) => pictureOf[caption] === picture)
  );
  const ofCaption = captions.map((caption) =>
    pictures.toSorted((a, b) => score(b, caption) - score(a, caption)).indexOf(pictureOf[caption])
  );
  for (const [k, key] of [[1, "r1"], [5, "r5"], [10, "r10"]] as const) {
    assert.ok(Math.abs(imageToText[key] - share(ofPicture, k)) < 1e-12, key);
    assert.ok(Math.abs(textToImage[key] - share(ofCaption, k)) < 1e-12, key);
  }
});

Deno.test("a constant model scores chance; a picture without a caption is refused", () => {
  const m = 20, image = new Float32Array(m * width).fill(0.5), text = image.slice();
  const { textToImage } = captionRetrieval(image, text, Int32Array.from({ length: m }, (_, i) => i), width);
  assert.ok(Math.abs(textToImage.r10 - 0.5) < 1e-12 && Math.abs(textToImage.meanRank - 0.5) < 1e-12);
  assert.throws(() => captionRetrieval(image, text, new Int32Array(m), width), /Picture 1 has no caption/);
  assert.throws(
    () => captionRetrieval(image, text, new Int32Array(m).fill(m), width),
    /Caption 0 belongs to picture 20, expected 0 … 19/,
  );
});

Deno.test("prompts are the classes in every template, and a template without a place is named", () => {
  assert.deepEqual(promptsOf(["dog", "$&"], ["a {}.", "{} {}"]), ["a dog.", "dog dog", "a $&.", "$& $&"]);
  assert.equal(promptsOf(["cat"], clipTemplates).length, 7);
  assert.throws(() => promptsOf(["dog"], ["a {}.", "a photo"]), /template 2, "a photo", has no \{\}/);
  assert.throws(() => promptsOf(["dog"], []), /no prompt template/);
});
