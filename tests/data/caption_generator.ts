/** The captions of tests/fixtures/make_tokenizers.py: the same generator, so the same texts. */
import spec from "../fixtures/tokenizers/captions.json" with { type: "json" };

/** Captions with words, emoji, many scripts, white space and control characters. */
export function* generatedCaptions(seed: number = spec.seed, count: number = spec.count): Generator<string> {
  let state = seed;
  const draw = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % n;
  };
  for (let caption = 0; caption < count; caption++) {
    let text = "";
    for (let pieces = 1 + draw(12); pieces > 0; pieces--) {
      if (draw(4) > 0) text += spec.pieces[draw(spec.pieces.length)];
      else {
        const [first, last] = spec.ranges[draw(spec.ranges.length)];
        for (let signs = 1 + draw(5); signs > 0; signs--) {
          text += String.fromCodePoint(first + draw(last - first + 1));
        }
      }
      if (draw(4) > 0) text += " ";
    }
    yield text;
  }
}
