import assert from "node:assert/strict";
import { captionOf, type Concept, conceptPrompts, iconCaption, slug } from "../../src/data/captions.ts";

const heart: Concept = {
  emoji: "❤️",
  name: "red heart",
  group: "Smileys & Emotion",
  keywords: ["love", "like"],
};

Deno.test("captions name their concept, vary, and depend on seed and draw alone", () => {
  const captions = Array.from({ length: 200 }, (_, draw) => captionOf(heart, 1, draw));
  for (const caption of captions) assert.ok(caption.includes("red heart"), caption);
  assert.deepEqual(
    new Set(captions),
    new Set([
      "red heart",
      "a picture of red heart",
      "red heart, love",
      "red heart, like",
      "love: red heart",
      "like: red heart",
    ]),
  );
  assert.deepEqual(Array.from({ length: 200 }, (_, draw) => captionOf(heart, 1, draw)), captions);
  assert.notDeepEqual(Array.from({ length: 200 }, (_, draw) => captionOf(heart, 2, draw)), captions);
});

Deno.test("a concept without keywords still has captions", () => {
  const captions = Array.from({ length: 50 }, (_, draw) => captionOf({ ...heart, keywords: [] }, 1, draw));
  for (const caption of captions) assert.ok(!caption.includes("undefined"), caption);
});

Deno.test("every concept has the same number of prompts", () => {
  assert.ok(conceptPrompts(heart).every((prompt) => prompt.includes(heart.name)));
  assert.equal(conceptPrompts({ ...heart, keywords: [] }).length, conceptPrompts(heart).length);
});

Deno.test("icon names become words", () => {
  assert.equal(iconCaption("arrow-left-2-bold"), "arrow left bold");
  assert.equal(iconCaption("file_type-ts"), "file type ts");
  assert.equal(iconCaption("123"), "123");
});

Deno.test("slugs are spelled as icon sets spell them", () => {
  assert.equal(slug("piñata"), "pinata");
  assert.equal(slug("woman’s hat"), "womans-hat");
  assert.equal(slug("Japanese “here” button"), "japanese-here-button");
  assert.equal(slug("A & B!"), "a-and-b");
});
