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
  /** Exact version, the same as in deno.json: what was drawn from another version is not taken from the cache. */
  readonly version: string;
  /** What the pictures are for. */
  readonly role: SourceRole;
  /** Whom to thank. */
  readonly author: string;
  /** SPDX identifier. */
  readonly license: string;
}

/**
 * All sets. Share-alike sets (OpenMoji, EmojiOne 1) are left out, so that models and reports carry no such duty.
 */
export const pictureSources: readonly PictureSource[] = [
  { name: "noto", version: "1.2.9", role: "reference", author: "Google", license: "Apache-2.0" },
  { name: "twemoji", version: "1.2.5", role: "test", author: "Twitter and jdecked", license: "CC-BY-4.0" },
  { name: "fluent-emoji-flat", version: "1.2.6", role: "in-domain", author: "Microsoft", license: "MIT" },
  { name: "noto-v1", version: "1.2.5", role: "in-domain", author: "Google", license: "Apache-2.0" },
  {
    name: "emojione",
    version: "1.2.3",
    role: "in-domain",
    author: "Emoji One and EmojiTwo",
    license: "CC-BY-4.0",
  },
  {
    name: "streamline-emojis",
    version: "1.2.4",
    role: "in-domain",
    author: "Streamline",
    license: "CC-BY-4.0",
  },
  { name: "fxemoji", version: "1.2.2", role: "in-domain", author: "Mozilla", license: "Apache-2.0" },
  { name: "tabler", version: "1.2.41", role: "noise", author: "Paweł Kuna", license: "MIT" },
  { name: "mdi", version: "1.2.3", role: "noise", author: "Pictogrammers", license: "Apache-2.0" },
  { name: "ph", version: "1.2.2", role: "noise", author: "Phosphor Icons", license: "MIT" },
  { name: "lucide", version: "1.2.137", role: "noise", author: "Lucide Contributors", license: "ISC" },
  { name: "icon-park", version: "1.2.4", role: "noise", author: "ByteDance", license: "Apache-2.0" },
  { name: "game-icons", version: "1.2.4", role: "noise", author: "game-icons.net", license: "CC-BY-3.0" },
  { name: "healthicons", version: "1.2.13", role: "noise", author: "Resolve to Save Lives", license: "MIT" },
  { name: "fluent-color", version: "1.2.21", role: "noise", author: "Microsoft", license: "MIT" },
  { name: "flat-color-icons", version: "1.2.3", role: "noise", author: "Icons8", license: "MIT" },
  { name: "meteocons", version: "1.2.4", role: "noise", author: "Bas Milius", license: "MIT" },
  { name: "vscode-icons", version: "1.2.97", role: "noise", author: "Roberto Huertas", license: "MIT" },
  { name: "circle-flags", version: "1.2.11", role: "noise", author: "HatScripts", license: "MIT" },
];

/** A line of thanks for each set, as its licence asks. */
export const attributions: readonly string[] = [
  ...pictureSources.map(({ name, author, license }) =>
    `${name}: pictures by ${author} (${license}), @iconify-json/${name}`
  ),
  "Names and groups of emoji: unicode-emoji-json (MIT), from Unicode CLDR; keywords: emojilib (MIT)",
];

/** Where names and keywords come from. */
const emojiNames = { name: "unicode-emoji-json", version: "0.9.0" };
const emojiKeywords = { name: "emojilib", version: "4.0.3" };

/** All packages with their versions: what is made from them is kept under this. */
export const packageVersions: readonly string[] = [
  ...pictureSources.map(({ name, version }) => `@iconify-json/${name}@${version}`),
  ...[emojiNames, emojiKeywords].map(({ name, version }) => `${name}@${version}`),
];

/** A package could not be fetched. */
export class DataUnavailableError extends Error {
  /** "DataUnavailableError". */
  override readonly name = "DataUnavailableError";

  /**
   * The error for one package.
   *
   * @param packageName npm package with its version
   */
  constructor(readonly packageName: string, cause: unknown) {
    super(
      `Cannot fetch the npm package "${packageName}": ${
        (cause as Error).message.split("\n")[0]
      }. The default data ` +
        `are downloaded at the first run: connect to the network once, or set NPM_CONFIG_REGISTRY to a mirror.`,
      { cause },
    );
  }
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

/**
 * The pictures of a set.
 *
 * @throws RangeError when there is no such set
 * @throws {DataUnavailableError} when its package cannot be fetched
 */
export async function loadIconSet(name: string): Promise<IconSet> {
  const source = pictureSources.find((source) => source.name === name);
  if (!source) {
    throw new RangeError(
      `There is no picture set "${name}": use one of ${pictureSources.map(({ name }) => name).join(", ")}`,
    );
  }
  return await loadJson(`@iconify-json/${name}@${source.version}`, "icons.json") as IconSet;
}

/** CLDR name and group of every emoji. */
export async function loadEmojiNames(): Promise<Record<string, EmojiData>> {
  const { name, version } = emojiNames;
  return await loadJson(`${name}@${version}`, "data-by-emoji.json") as Record<string, EmojiData>;
}

/** English keywords of every emoji. */
export async function loadEmojiKeywords(): Promise<Record<string, string[]>> {
  const { name, version } = emojiKeywords;
  return await loadJson(`${name}@${version}`, "dist/emoji-en-US.json") as Record<string, string[]>;
}

/**
 * A JSON file of an npm package. The specifier is computed, so that importing this module fetches nothing, and names
 * the version, so that it also works where this package's deno.json is not in force.
 *
 * @param packageName with its version
 * @throws {DataUnavailableError} when the package cannot be fetched
 */
export async function loadJson(packageName: string, file: string): Promise<unknown> {
  try {
    return (await import(`npm:${packageName}/${file}`, { with: { type: "json" } })).default;
  } catch (cause) {
    throw new DataUnavailableError(packageName, cause);
  }
}
