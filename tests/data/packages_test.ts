import assert from "node:assert/strict";
import {
  DataUnavailableError,
  loadIconSet,
  loadJson,
  packageVersions,
  pictureSources,
} from "../../src/data/packages.ts";
import config from "../../deno.json" with { type: "json" };

Deno.test("every package is pinned to the version that deno.json and deno.lock verify", async () => {
  const pinned = new Set(Object.values(config.imports));
  const lock = JSON.parse(await Deno.readTextFile(new URL("../../deno.lock", import.meta.url)));
  for (const name of packageVersions) {
    assert.ok(pinned.has(`npm:/${name}/`), `deno.json's imports do not hold npm:/${name}/`);
    assert.match(lock.npm[name].integrity, /^sha512-/);
  }
});

Deno.test("each set's package carries the licence that is claimed for it, and none is share-alike", async () => {
  for (const { name, version, license } of pictureSources) {
    const info = await loadJson(`@iconify-json/${name}@${version}`, "info.json") as {
      license: { spdx: string };
    };
    assert.equal(info.license.spdx, license, name);
    assert.doesNotMatch(license, /SA|NC|GPL/);
  }
});

Deno.test("NOTICE names every source with its licence", async () => {
  const notice = await Deno.readTextFile(new URL("../../NOTICE", import.meta.url));
  for (const { name, license } of pictureSources) {
    const line = notice.split("\n").find((line) => line.includes(`@iconify-json/${name} `));
    assert.ok(line?.includes(license), `NOTICE lacks @iconify-json/${name} (${license})`);
  }
});

Deno.test("a package that cannot be had is named, with what to do", async () => {
  await assert.rejects(
    () => loadJson("@iconify-json/noto@0.0.0", "icons.json"),
    (error: Error) =>
      error instanceof DataUnavailableError && error.packageName === "@iconify-json/noto@0.0.0" &&
      /connect to the network once, or set NPM_CONFIG_REGISTRY/.test(error.message),
  );
  await assert.rejects(() => loadIconSet("notto"), /no picture set "notto": use one of noto/);
});
