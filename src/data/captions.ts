/**
 * From names and keywords to captions.
 *
 * @module
 */

import { Stream, uniform } from "../random/philox.ts";

/** Something that every vendor draws in its own way. */
export interface Concept {
  /** The emoji itself. */
  readonly emoji: string;
  /** CLDR name, such as `grinning face`. */
  readonly name: string;
  /** CLDR group, such as `Smileys & Emotion`. */
  readonly group: string;
  /** English keywords, without the name. */
  readonly keywords: readonly string[];
}

const templates: readonly ((name: string, keyword: string) => string)[] = [
  (name) => name,
  (name, keyword) => `${name}, ${keyword}`,
  (name) => `a picture of ${name}`,
  (name, keyword) => `${keyword}: ${name}`,
];

/**
 * A caption of a concept: its name, or name and keyword, in one of a few phrasings.
 *
 * @param draw number of the caption; the same (seed, draw) gives the same caption
 */
export function captionOf({ name, keywords }: Concept, seed: number, draw: number): string {
  const template = templates[Math.floor(uniform(seed, Stream.data, 10, draw) * templates.length)];
  const keyword = keywords[Math.floor(uniform(seed, Stream.data, 11, draw) * keywords.length)] ?? name;
  return template(name, keyword);
}

/** The prompts of a concept for zero-shot classification. */
export function conceptPrompts({ name }: Concept): string[] {
  return [name, `a picture of ${name}`];
}

/** The words of an icon's name: `arrow-left-2-bold` becomes `arrow left bold`. */
export function iconCaption(name: string): string {
  const words = name.split(/[-_]/).filter((word) => !/^\d+$/.test(word));
  return words.length > 0 ? words.join(" ") : name;
}

/** A name as icon sets spell it: lower case, accents off, words joined by hyphens. */
export function slug(name: string): string {
  return name.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, "").replace(/[’'.“”!]/g, "")
    .replace(/&/g, "and").replace(/[^a-z0-9#*]+/g, "-").replace(/^-|-$/g, "");
}
