import assert from "node:assert/strict";
import { join } from "node:path";
import { FileError, readFileBytes, writeError, writeFileAtomic } from "../../src/storage/files.ts";

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map((entry) => entry.name);

const isFileError = (code: string, ...patterns: RegExp[]) => (error: unknown) => {
  assert.ok(error instanceof FileError, String(error));
  assert.equal(error.code, code);
  for (const pattern of patterns) assert.match(error.message, pattern);
  return true;
};

Deno.test("a file is written whole, replaces the old one, and leaves nothing beside it", () =>
  withFolder(async (folder) => {
    const path = join(folder, "file.bin");
    await writeFileAtomic(path, "old text, longer than the new");
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index * 7);
    await writeFileAtomic(path, bytes);
    await writeFileAtomic(`${path}.pieces`, [bytes.subarray(0, 1), new Uint8Array(), bytes.subarray(1)]);
    assert.deepEqual(await Deno.readFile(`${path}.pieces`), await Deno.readFile(path));
    await Deno.remove(`${path}.pieces`);
    assert.deepEqual(await readFileBytes(path), bytes);
    assert.deepEqual(names(folder), ["file.bin"]);
  }));

Deno.test("a missing folder, a file as folder and a folder as file say what to do", () =>
  withFolder(async (folder) => {
    const file = join(folder, "file");
    await writeFileAtomic(file, "x");
    await assert.rejects(
      writeFileAtomic(join(folder, "none", "a"), "x"),
      isFileError("ENOENT", /none" does not exist/, /mkdir -p/),
    );
    await assert.rejects(writeFileAtomic(join(file, "a"), "x"), isFileError("ENOTDIR", /is not a folder/));
    const taken = join(folder, "taken");
    await Deno.mkdir(taken);
    await assert.rejects(writeFileAtomic(taken, "x"), isFileError("EISDIR", /a folder of that name/));
    assert.deepEqual(names(folder).sort(), ["file", "taken"]);
  }));

Deno.test("a write that fails midway keeps the old file and removes its half", () =>
  withFolder(async (folder) => {
    const path = join(folder, "file");
    await writeFileAtomic(path, "old");
    const write = Deno.FsFile.prototype.write;
    Deno.FsFile.prototype.write = () =>
      Promise.reject(Object.assign(new Error("no space"), { code: "ENOSPC" }));
    try {
      await assert.rejects(
        writeFileAtomic(path, "new"),
        isFileError("ENOSPC", /no space is left in/, /Free some/),
      );
    } finally {
      Deno.FsFile.prototype.write = write;
    }
    assert.equal(await Deno.readTextFile(path), "old");
    assert.deepEqual(names(folder), ["file"]);
  }));

Deno.test("each reason of the system becomes advice that names the folder", () => {
  for (const code of ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM"]) {
    const error = writeError("/runs/a/model.safetensors", Object.assign(new Error("raw"), { code }));
    assert.match(error.message, /^Cannot write "\/runs\/a\/model\.safetensors": .*"\/runs\/a"/);
    assert.doesNotMatch(error.message, /raw/);
  }
  assert.match(writeError("/a/b", new Deno.errors.NotCapable("x")).message, /--allow-write="\/a"/);
  assert.match(writeError("/a/b", new Error("odd")).message, /odd/);
});

Deno.test("reading what is not there, or a folder, says so", () =>
  withFolder(async (folder) => {
    await assert.rejects(
      readFileBytes(join(folder, "none")),
      isFileError("ENOENT", /no such file/, /Check the path/),
    );
    await assert.rejects(readFileBytes(folder), isFileError("EISDIR", /it is a folder/));
  }));
