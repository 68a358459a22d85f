import assert from "node:assert/strict";
import { join } from "node:path";
import { cacheFiles, cacheFolder } from "../../src/data/cache.ts";
import { FileError } from "../../src/storage/files.ts";

Deno.test("what was kept is read again; what is missing, changed or cut short is not", async () => {
  const folder = join(await Deno.makeTempDir(), "new", "folder");
  const files = cacheFiles(folder), path = join(folder, "a.bin");
  assert.equal(await files.read("a.bin"), null);
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
  await files.write("a.bin", bytes);
  assert.deepEqual(new Uint8Array((await files.read("a.bin"))!), bytes);

  const whole = await Deno.readFile(path);
  for (
    const damaged of [
      whole.map((byte, i) => i === 500 ? byte ^ 1 : byte),
      whole.subarray(0, 600),
      whole.subarray(0, 3),
    ]
  ) {
    await Deno.writeFile(path, damaged);
    assert.equal(await files.read("a.bin"), null, `${damaged.length} bytes`);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a folder that cannot be made is an error that says what to do", async () => {
  const file = await Deno.makeTempFile();
  await assert.rejects(
    () => cacheFiles(join(file, "cache")).write("a.bin", new Uint8Array(1)),
    (error: Error) => error instanceof FileError && /Cannot write.*not a folder/.test(error.message),
  );
  await Deno.remove(file);
});

Deno.test("the folder is the one given, else the environment's, else the system's", () => {
  const before = Deno.env.get("SUPERBATCH_CACHE");
  try {
    Deno.env.set("SUPERBATCH_CACHE", "/from/environment");
    assert.equal(cacheFolder("/given"), "/given");
    assert.equal(cacheFolder(), "/from/environment");
    Deno.env.delete("SUPERBATCH_CACHE");
    assert.match(cacheFolder(), /superbatch$/);
  } finally {
    if (before !== undefined) Deno.env.set("SUPERBATCH_CACHE", before);
  }
});
