/**
 * Names of files and columns, and what they say.
 *
 * @module
 */

/** The part of a name from its last dot on, in lower case; "" when there is none. */
export function extension(name: string): string {
  return /\.[^./\\]+$/.exec(name.replace(/[?#].*$/, ""))?.[0].toLowerCase() ?? "";
}

const PICTURES = new Set([".jpg", ".jpeg", ".png", ".webp"]);

/** Whether a name ends as pictures do that are decoded. */
export function isPicture(name: string): boolean {
  return PICTURES.has(extension(name));
}

/** Usual names of the column that holds a picture, or the path to one. */
const IMAGE_COLUMNS = [
  "image",
  "image_path",
  "file_name",
  "filename",
  "filepath",
  "path",
  "file",
  "img",
  "url",
  "image_url",
  "jpg",
  "png",
];

/** Usual names of the column that holds a caption. */
const CAPTION_COLUMNS = ["caption", "text", "title", "description", "alt_text", "alt", "sentence", "txt"];

/** Which columns of a table hold what. */
export interface ColumnNames {
  /** The picture's column; found by its usual names when left out. */
  readonly image?: string;
  /** The caption's column; found by its usual names when left out. */
  readonly caption?: string;
}

/**
 * The two columns that make a pair.
 *
 * @returns the names as the table spells them, or what is missing
 */
export function pairColumns(
  columns: readonly string[],
  names: ColumnNames = {},
): { readonly image: string; readonly caption: string } | { readonly problem: string } {
  const find = (wanted: readonly string[]) =>
    wanted.map((name) => columns.find((column) => column.toLowerCase() === name.toLowerCase()))
      .find((column) => column !== undefined);
  const image = find(names.image ? [names.image] : IMAGE_COLUMNS);
  const caption = find(names.caption ? [names.caption] : CAPTION_COLUMNS);
  if (image && caption) return { image, caption };
  const [what, usual] = image ? ["captions", CAPTION_COLUMNS] : ["pictures", IMAGE_COLUMNS];
  return {
    problem: `no column for ${what} among ${columns.join(", ") || "none"}: name one of them ${
      usual.slice(0, 3).join(", ")
    }`,
  };
}

/** Letters to insert, delete or replace (Levenshtein 1966). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + Number(a[i - 1] !== b[j - 1])));
    }
    row = next;
  }
  return row[b.length];
}

/** The name that is most like one that is not there; null when none is. */
export function nearestName(wanted: string, names: Iterable<string>): string | null {
  let nearest: string | null = null, least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(wanted.toLowerCase(), name.toLowerCase());
    if (distance < least) [nearest, least] = [name, distance];
  }
  return nearest;
}
