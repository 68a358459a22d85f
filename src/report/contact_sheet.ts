/**
 * Pictures on one sheet: pixels alone as PNG, with what is known of each as SVG or HTML.
 *
 * @module
 */

import { encodePng, tilePictures } from "./png.ts";
import { escapeHtml } from "./report.ts";
import { style } from "./style.ts";

/** One picture of a sheet. */
export interface SheetTile {
  /** [size, size, 3] RGB bytes. */
  readonly pixels: Uint8Array;
  readonly caption: string;
  /** A second, shorter line, such as a score. */
  readonly note?: string;
}

/** What stands over the pictures, and how they are laid out. */
export interface SheetOptions {
  readonly title: string;
  /** Side of each picture in pixels. */
  readonly size: number;
  readonly columns: number;
}

/** Endings of the names that {@link contactSheet} knows. */
export const sheetEndings: readonly string[] = [".png", ".svg", ".html"];

/** Characters of a caption that an SVG line takes, and lines of it. */
const LINE_CHARACTERS = 24, LINES = 2;
const GAP = 12, LINE_HEIGHT = 15;

/**
 * The sheet as the kind of file that the path's ending names.
 *
 * @throws RangeError when it names none of {@link sheetEndings}
 */
export function contactSheet(
  tiles: readonly SheetTile[],
  options: SheetOptions,
  path: string,
): Uint8Array | string {
  const { title, size, columns } = options;
  const ending = checkSheetEnding(path);
  if (ending === ".png") {
    return encodePng(tilePictures(tiles.map(({ pixels }) => pixels), size, { columns }));
  }
  return ending === ".svg" ? svgSheet(tiles, options) : `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${style}</style></head><body><main>
<h1>${escapeHtml(title)}</h1>
<div class="sheet" style="grid-template-columns: repeat(${columns}, minmax(0, 1fr))">
${tiles.map((tile) => htmlTile(tile, size)).join("\n")}
</div></main></body></html>
`;
}

/**
 * The ending of a sheet's path.
 *
 * @throws RangeError when it is none of {@link sheetEndings}
 */
export function checkSheetEnding(path: string): string {
  const ending = sheetEndings.find((known) => path.toLowerCase().endsWith(known));
  if (ending === undefined) {
    throw new RangeError(`--out ${path} ends in none of ${sheetEndings.join(", ")}: choose a name that does`);
  }
  return ending;
}

const source = ({ pixels }: SheetTile, size: number) =>
  `data:image/png;base64,${encodePng({ width: size, height: size, pixels }).toBase64()}`;

function htmlTile(tile: SheetTile, size: number): string {
  const caption = escapeHtml(tile.caption);
  return `<figure class="tile" title="${caption}"><img alt="${caption}" src="${source(tile, size)}">` +
    `<figcaption><b>${caption}</b>${escapeHtml(tile.note ?? "")}</figcaption></figure>`;
}

function svgSheet(tiles: readonly SheetTile[], { title, size, columns }: SheetOptions): string {
  const across = Math.max(1, Math.min(columns, tiles.length)), down = Math.ceil(tiles.length / across);
  const wide = Math.max(size, LINE_CHARACTERS * 7), tall = size + (LINES + 1) * LINE_HEIGHT + GAP, top = 40;
  const width = across * (wide + GAP) + GAP, height = top + down * tall + GAP;
  const drawn = tiles.map((tile, at) => {
    const x = GAP + (at % across) * (wide + GAP), y = top + Math.floor(at / across) * tall;
    const lines = [...broken(tile.caption), tile.note ?? ""];
    const text = lines.map((line, row) =>
      `<text x="${x}" y="${y + size + (row + 1) * LINE_HEIGHT}"${
        row === lines.length - 1 ? ' fill="#6e6e73"' : ""
      }>${escapeHtml(line)}</text>`
    );
    return `<image x="${x}" y="${y}" width="${size}" height="${size}" href="${source(tile, size)}"/>${
      text.join("")
    }`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" \
font-family="ui-sans-serif, system-ui, sans-serif" font-size="12" fill="#1d1d1f">
<title>${escapeHtml(title)}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="${GAP}" y="26" font-size="16" font-weight="600">${escapeHtml(title)}</text>
${drawn.join("\n")}
</svg>
`;
}

/** A caption in at most so many lines, cut where it is longer. */
function broken(caption: string): string[] {
  const lines = [""];
  for (const word of caption.split(/\s+/)) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= LINE_CHARACTERS) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  const cut = lines.slice(0, LINES);
  if (lines.length > LINES) cut[LINES - 1] += " …";
  return cut.map((line) => line.length > LINE_CHARACTERS + 2 ? `${line.slice(0, LINE_CHARACTERS)}…` : line);
}
