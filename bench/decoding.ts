/**
 * Decoding and resizing of WebDataset shards, beside Python's webdataset and Pillow, in one run on one machine.
 *
 *     deno run -A bench/decoding.ts [--pictures 500] [--size 500x375] [--side 224] [--workers 2] [--rounds 5]
 *
 * Both read the same shards of JPEGs, decode them and resize them (bicubic, antialiased) in as many workers, and take
 * turns, round by round; the best round counts. CPU time is what all processes and threads computed for an image: on a machine
 * with other work it says more than the rate. The sums of every 16th row and column's bytes must agree to within a level.
 * Needs `python3` with what bench/peers/webdataset_pil.py names.
 */
import process from "node:process";
import { DecodePool } from "../src/data/images/decode_pool.ts";
import { lines } from "./peers/protocol.ts";

function option(name: string, otherwise: string): string {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Deno.args[at + 1];
}
const pictures = Number(option("pictures", "500")), side = Number(option("side", "224"));
const workers = Number(option("workers", "2")), rounds = Number(option("rounds", "5"));
const [width, height] = option("size", "500x375").split("x");
const folder = await Deno.makeTempDir({ prefix: "decoding-" });
const script = decodeURIComponent(new URL("peers/webdataset_pil.py", import.meta.url).pathname);

/** What a round took, and a sum of what it saw. */
interface Round {
  readonly count: number;
  readonly digest: number;
  readonly seconds: number;
  /** Of all threads. */
  readonly cpuSeconds: number;
}

/** The pictures in a shard as webdataset's writer makes it: plain ustar headers. */
function* jpegs(tar: Uint8Array<ArrayBuffer>): Iterable<{ image: Uint8Array<ArrayBuffer> }> {
  const text = new TextDecoder();
  for (let at = 0; tar[at];) {
    const field = (from: number, to: number) => text.decode(tar.subarray(at + from, at + to)).split("\0")[0];
    const size = parseInt(field(124, 136), 8);
    if (field(0, 100).endsWith(".jpg")) yield { image: tar.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

async function* shards(): AsyncIterable<{ image: Uint8Array<ArrayBuffer> }> {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  for (const name of names) yield* jpegs(await Deno.readFile(`${folder}/${name}`));
}

async function ours(pool: DecodePool): Promise<Round> {
  const startedAt = performance.now(), cpuBefore = process.cpuUsage();
  let count = 0, digest = 0;
  for await (const [, decoded] of pool.decodeAll(shards())) {
    if ("reason" in decoded) throw new Error(decoded.reason);
    count++;
    for (let y = 0; y < side; y += 16) {
      for (let x = 0; x < side; x += 16) {
        for (let c = 0; c < 3; c++) digest += decoded.pixels[(y * side + x) * 3 + c];
      }
    }
  }
  const seconds = (performance.now() - startedAt) / 1000, { user, system } = process.cpuUsage(cpuBefore);
  return { count, digest, seconds, cpuSeconds: (user + system) / 1e6 };
}

try {
  const made = await new Deno.Command("python3", {
    args: [script, "make", folder, `${pictures}`, width, height],
    stderr: "inherit",
  }).output();
  if (!made.success) throw new Error("Writing the shards failed: see above.");
  const { bytes } = JSON.parse(new TextDecoder().decode(made.stdout));

  const python = new Deno.Command("python3", {
    args: [script, "read", folder, `${workers}`, `${side}`],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const answers = lines(python.stdout), requests = python.stdin.getWriter();
  const answer = async () => {
    const { value, done } = await answers.next();
    if (done) throw new Error("Python ended: see above.");
    return JSON.parse(value);
  };
  const theirs = async (): Promise<Round> => {
    await requests.write(new TextEncoder().encode("\n"));
    return await answer();
  };
  const { name } = await answer();

  using pool = new DecodePool({ imageSize: side, filter: "bicubic", fit: "squash" }, { workers });
  let best = Infinity, bestTheirs = Infinity, cpu = Infinity, cpuTheirs = Infinity;
  for (let round = 0; round <= rounds; round++) {
    const a = await ours(pool), b = await theirs();
    const sampled = pictures * Math.ceil(side / 16) ** 2 * 3;
    if (a.count !== pictures || b.count !== pictures || Math.abs(a.digest - b.digest) > sampled) {
      throw new Error(`The two do not read the same: ${JSON.stringify([a, b])}`);
    }
    if (round === 0) continue; // workers start
    best = Math.min(best, a.seconds);
    bestTheirs = Math.min(bestTheirs, b.seconds);
    cpu = Math.min(cpu, a.cpuSeconds);
    cpuTheirs = Math.min(cpuTheirs, b.cpuSeconds);
  }
  await requests.close();
  await python.status;

  const kilobytes = (bytes / 1000).toFixed(0);
  console.log(
    `${pictures} JPEGs of ${width}×${height}, ${kilobytes} kB each, to ${side}×${side}, ${workers} workers:\n`,
  );
  const row = (name: string, seconds: number, cpuSeconds: number) =>
    `| ${name} | ${(pictures / seconds).toFixed(0)} | ${(cpuSeconds / pictures * 1000).toFixed(2)} |`;
  console.log("| | images/s | CPU ms an image |\n|---|---|---|");
  console.log(row("superbatch", best, cpu));
  console.log(row(name, bestTheirs, cpuTheirs));
  console.log(
    `\nsuperbatch runs at ${(bestTheirs / best).toFixed(2)} of the other's rate, ` +
      `for ${(cpu / cpuTheirs).toFixed(2)} of its CPU time.`,
  );
} finally {
  await Deno.remove(folder, { recursive: true });
}
