import assert from "node:assert/strict";
import { pictureHash, SimilarPictures } from "../../src/data/similar_pictures.ts";
import { randomWord, Stream } from "../../src/random/philox.ts";

const side = 72;

/** A smooth random picture: a few broad waves in each colour. */
function picture(seed: number, shift = 0): Uint8Array {
  const word = (index: number) => randomWord(seed, Stream.data, 0, index) / 2 ** 32;
  return Uint8Array.from({ length: side * side * 3 }, (_, at) => {
    const x = Math.floor(at / 3) % side / side, y = Math.floor(at / 3 / side) / side;
    let value = 128 + shift;
    for (let wave = 0; wave < 4; wave++) {
      const [across, down, phase] = [0, 1, 2].map((i) => word(wave * 3 + i));
      value += 25 * Math.sin(2 * Math.PI * (across * 3 * x + down * 3 * y + phase) + at % 3);
    }
    return value;
  });
}

Deno.test("a picture is found again brighter and with noise; other pictures, or other colours, are not taken for it", () => {
  const similar = new SimilarPictures<number>(), pictures = 60;
  for (let seed = 0; seed < pictures; seed++) {
    assert.equal(similar.find(pictureHash(picture(seed), side), seed), null, `picture ${seed}`);
  }
  for (let seed = 0; seed < pictures; seed++) {
    const noisy = picture(seed, 9).map((value, at) => value + randomWord(7, Stream.data, seed, at) % 3 - 1);
    assert.equal(similar.find(pictureHash(noisy, side), -1), seed);
    // The same shapes in other colours are another picture.
    const recoloured = picture(seed).map((value, at) => at % 3 === 0 ? value / 2 : value);
    assert.equal(similar.find(pictureHash(recoloured, side), -1), null);
  }
});
