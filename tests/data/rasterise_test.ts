import assert from "node:assert/strict";
import { cacheFiles } from "../../src/data/cache.ts";
import type { IconSet } from "../../src/data/packages.ts";
import { drawIcons } from "../../src/data/rasterise.ts";

const set: IconSet = {
  width: 8,
  height: 8,
  icons: {
    red: { body: `<path fill="#f00" d="M0 0h8v8H0z"/>` },
    black: { body: `<path fill="currentColor" d="M0 0h8v8H0z"/>` },
    half: { body: `<path fill="#000" fill-opacity=".5" d="M0 0h8v8H0z"/>` },
    wide: { body: `<path fill="#00f" d="M0 0h8v4H0z"/>`, height: 4 },
    broken: { body: `<path d="M0 0` },
  },
};
const names = Object.keys(set.icons);

/** Draws into a fresh or given folder, and counts how often the set was asked for. */
async function draw(folder: string, version = "1.0.0", size = 4) {
  let loads = 0, last = 0;
  const drawn = await drawIcons(
    [{ set: "s", version, names }],
    () => Promise.resolve((loads++, set)),
    size,
    cacheFiles(folder),
    (done) => last = done,
  );
  assert.equal(last, names.length);
  const pixel = (
    name: string,
    x: number,
    y: number,
  ) => [...drawn.pixels.get(`s/${name}`)!.subarray((y * size + x) * 3, (y * size + x) * 3 + 3)];
  return { loads, pixel, ...drawn };
}

Deno.test("pictures are drawn on white, one-coloured ones in black, wide ones in the middle", async () => {
  const folder = await Deno.makeTempDir();
  const { pixel, pixels, failed } = await draw(folder);
  assert.deepEqual(pixel("red", 1, 1), [255, 0, 0]);
  assert.deepEqual(pixel("black", 3, 3), [0, 0, 0]);
  assert.ok(pixel("half", 0, 0).every((value) => Math.abs(value - 127.5) < 2), String(pixel("half", 0, 0)));
  assert.deepEqual([0, 1, 2, 3].map((y) => pixel("wide", 2, y)[0]), [255, 0, 0, 255]);
  assert.equal(failed, 1);
  assert.ok(!pixels.has("s/broken"));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("kept pictures are not drawn again, unless the file is damaged or of another version or size", async () => {
  const folder = await Deno.makeTempDir();
  const { pixels } = await draw(folder);
  const again = await draw(folder);
  assert.equal(again.loads, 0);
  assert.equal(again.failed, 1);
  assert.deepEqual([...again.pixels], [...pixels]);

  const [{ name }] = Deno.readDirSync(folder);
  const whole = await Deno.readFile(`${folder}/${name}`);
  await Deno.writeFile(
    `${folder}/${name}`,
    whole.map((byte, i) => i === whole.length - 60 ? byte ^ 255 : byte),
  );
  const repaired = await draw(folder);
  assert.equal(repaired.loads, 1);
  assert.deepEqual([...repaired.pixels], [...pixels]);

  assert.equal((await draw(folder, "1.0.1")).loads, 1);
  assert.equal((await draw(folder, "1.0.0", 5)).loads, 1);
  await Deno.remove(folder, { recursive: true });
});
