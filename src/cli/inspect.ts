import { type DataReport, inspectData, type Spread } from "../data/inspect.ts";
import { openSource } from "../data/sources/open_source.ts";
import { formatBytes } from "../gpu/memory.ts";
import { checkSheetEnding, contactSheet } from "../report/contact_sheet.ts";
import { writeFileAtomic } from "../storage/files.ts";
import type { InvocationOf } from "./command_line.ts";
import { announce } from "./dry_run.ts";
import { ExitCode } from "./errors.ts";
import { Progress } from "./progress.ts";

/** Side of a picture on the sheet, in pixels, and pictures side by side. */
const SIDE = 128, COLUMNS = 8;
/** Lines of each list that are shown; `--json` has more. */
const SHOWN = 5;

/** `superbatch inspect DATA`: fails when no sample is usable. */
export async function inspect(options: InvocationOf<"inspect">): Promise<number> {
  const { data, limit, out, pictures, json, quiet } = options;
  checkSheetEnding(out);
  if (options.dryRun) {
    const { shards } = await openSource(data);
    return announce({
      computes: [`read ${limit ?? "all"} samples of ${data} (${shards.length} shards)`],
      writes: pictures > 0 ? [out] : [],
    }, json);
  }
  const progress = new Progress(undefined, quiet);
  const { report, samples } = await inspectData(data, {
    limit,
    pictures,
    size: SIDE,
    onProgress: (done, total) => progress.update("Inspecting", done, total),
  }).finally(() => progress.close());
  const drawn = samples.length > 0;
  if (drawn) {
    const tiles = samples.map(({ pixels, caption, key }) => ({ pixels, caption, note: key }));
    await writeFileAtomic(
      out,
      contactSheet(tiles, { title: report.name, size: SIDE, columns: COLUMNS }, out),
    );
  }
  if (json) console.log(JSON.stringify({ ...report, picture: drawn ? out : null }));
  else {
    console.log(reportText(report));
    if (drawn) console.log(`\n${samples.length} pictures: ${out}`);
  }
  return report.pairs > 0 ? ExitCode.ok : ExitCode.failure;
}

function reportText(report: DataReport): string {
  const number = (count: number) => count.toLocaleString("en");
  const share = (count: number, of: number) => of === 0 ? "" : ` (${(count / of * 100).toFixed(1)} %)`;
  const spread = (value: Spread | null) =>
    value === null ? "–" : `${value.least} … ${value.most}, median ${value.median}, 95 % up to ${value.p95}`;
  const row = (name: string, value: string) => `${name.padEnd(22)}${value}`;
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of).sort((a, b) => b[1] - a[1]).slice(0, SHOWN).map(([name, count]) =>
      `${name} ${number(count)}`
    )
      .join(", ");
  const classes = Object.keys(report.labels).length;
  const list = <T>(
    items: readonly T[],
    line: (item: T) => string,
    all = items.length,
  ) => [
    ...items.slice(0, SHOWN).map((item) => `  ${line(item)}`),
    ...(all > SHOWN ? [`  … ${number(all - SHOWN)} more`] : []),
  ];
  return [
    row(
      "pairs",
      `${number(report.pairs)} in ${number(report.shards)} ${report.shards === 1 ? "shard" : "shards"}`,
    ),
    row("pictures", `${number(report.pictures)}, ${formatBytes(report.bytes)}: ${counts(report.formats)}`),
    row("width", spread(report.width)),
    row("height", spread(report.height)),
    row("words a caption", spread(report.captionWords)),
    ...bars(report.captionHistogram),
    ...(classes > 0 ? [row("classes", `${number(classes)}: ${counts(report.labels)}`)] : []),
    row(
      "duplicate captions",
      number(report.duplicateCaptions) + share(report.duplicateCaptions, report.pairs),
    ),
    ...list(report.commonCaptions, ({ caption, count }) => `${number(count)} × ${caption}`),
    row(
      "duplicate pictures",
      number(report.duplicatePictures) + share(report.duplicatePictures, report.pictures),
    ),
    ...list(report.similar, ({ picture, like }) => `${picture} looks like ${like}`, report.duplicatePictures),
    row(
      "broken samples",
      number(report.broken.length) + share(report.broken.length, report.pairs + report.broken.length),
    ),
    ...list(report.broken, ({ shard, key, reason }) => `"${key}" in ${shard}: ${reason}`),
  ].join("\n");
}

/** The histogram of caption lengths, without the empty bars at its end. */
function bars(histogram: readonly number[]): string[] {
  const most = Math.max(...histogram, 1), last = histogram.findLastIndex((count) => count > 0);
  return histogram.slice(0, last + 1).map((count, at) => {
    const range = at === histogram.length - 1 ? `${at * 5}+` : `${at * 5}–${at * 5 + 4}`;
    return `  ${range.padEnd(8)}${"█".repeat(Math.ceil(count / most * 40))} ${count.toLocaleString("en")}`;
  });
}
