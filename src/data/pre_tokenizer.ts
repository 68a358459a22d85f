/**
 * The pre-tokenizers of a `tokenizer.json`, as Hugging Face's own library (Rust) computes them: how a text is cut into
 * the words that the model cuts further.
 *
 * `@huggingface/tokenizers` 0.2.0 for JavaScript differs: its `\s`, `\w` and `\d` are JavaScript's, runs of punctuation
 * stay whole, and of the ways to split it knows two. Its translation of patterns is used here.
 *
 * @module
 */

import { byteAlphabet } from "./bpe.ts";
import { compilePattern } from "./normalizer.ts";

/** Cuts a text into words; `first` says that it begins the caption. */
export type PreTokenize = (text: string, first: boolean) => string[];

/** A pre-tokenizer as the file describes it. */
export interface PreTokenizerConfig {
  readonly type: string;
  readonly pretokenizers?: readonly PreTokenizerConfig[];
  readonly [option: string]: unknown;
}

/** What becomes of the parts that a pattern finds. */
type Behavior = "Removed" | "Isolated" | "MergedWithPrevious" | "MergedWithNext" | "Contiguous";

/**
 * The function that a pre-tokenizer's description stands for.
 *
 * @throws TypeError when there is no pre-tokenizer of that type
 */
export function preTokenizer(config: PreTokenizerConfig | null): PreTokenize {
  if (config === null) return (text) => [text];
  switch (config.type) {
    case "Sequence": {
      const parts = (config.pretokenizers ?? []).map(preTokenizer);
      return (text, first) =>
        parts.reduce((words, part) => words.flatMap((word, at) => part(word, first && at === 0)), [text]);
    }
    case "ByteLevel":
      return byteLevel(config.add_prefix_space === true, config.use_regex !== false);
    case "Split":
      return splitter(compilePattern(config.pattern), behaviorOf(config), config.invert === true);
    case "Whitespace":
      return splitter(words, "Removed", true);
    case "WhitespaceSplit":
      return splitter(/\p{White_Space}/gu, "Removed");
    case "CharDelimiterSplit":
      return splitter(literal(String(config.delimiter)), "Removed");
    case "BertPreTokenizer": {
      const blanks = splitter(/\p{White_Space}/gu, "Removed"), marks = splitter(punctuation, "Isolated");
      return (text, first) => blanks(text, first).flatMap((word) => marks(word, false));
    }
    case "Punctuation":
      return splitter(punctuation, behaviorOf(config));
    case "Digits":
      return splitter(/\p{N}/gu, config.individual_digits === true ? "Isolated" : "Contiguous");
    case "Metaspace":
      return metaspace(config);
    default:
      throw new TypeError(`its pre-tokenizer "${config.type}" is not known here`);
  }
}

const punctuation = /[\p{P}!-/:-@[-`{-~]/gu;

/** Rust's `\w+|[^\w\s]+`: \w is alphabetic, mark, decimal digit, connector or joiner. */
const words =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;

/** GPT-2's, with Unicode's white space. */
const byteLevelWords =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

function byteLevel(prefixed: boolean, split: boolean): PreTokenize {
  const alphabet = byteAlphabet(), encoder = new TextEncoder();
  const cut = split ? splitter(byteLevelWords, "Isolated") : (text: string) => [text];
  return (text, first) => {
    const whole = prefixed && !text.startsWith(" ") ? ` ${text}` : text;
    return cut(whole, first).map((word) =>
      Array.from(encoder.encode(word), (byte) => alphabet[byte]).join("")
    );
  };
}

function metaspace(config: PreTokenizerConfig): PreTokenize {
  const sign = String(config.replacement ?? "▁");
  const scheme = config.prepend_scheme ?? (config.add_prefix_space === false ? "never" : "always");
  const cut = config.split === false ? (text: string) => [text] : splitter(literal(sign), "MergedWithNext");
  return (text, first) => {
    const marked = text.replaceAll(" ", sign);
    const prefixed = !marked.startsWith(sign) && (scheme === "always" || (scheme === "first" && first));
    return cut(prefixed ? sign + marked : marked, first);
  };
}

const literal = (text: string): RegExp => new RegExp(RegExp.escape(text), "gu");

function behaviorOf({ behavior = "Isolated" }: PreTokenizerConfig): Behavior {
  return behavior as Behavior;
}

/** Cuts where the pattern matches; `invert` takes what lies between the matches for the matches. */
function splitter(pattern: RegExp, behavior: Behavior, invert = false): PreTokenize {
  return (text) => {
    const parts: { text: string; match: boolean }[] = [];
    const add = (from: number, to: number, match: boolean) => {
      if (to > from) parts.push({ text: text.slice(from, to), match: match !== invert });
    };
    let at = 0;
    for (const { 0: { length }, index } of text.matchAll(pattern)) {
      add(at, index, false);
      add(index, index + length, true);
      at = index + length;
    }
    add(at, text.length, false);
    return arrange(parts, behavior);
  };
}

function arrange(parts: readonly { text: string; match: boolean }[], behavior: Behavior): string[] {
  if (behavior === "Removed") return parts.filter(({ match }) => !match).map(({ text }) => text);
  const found: string[] = [];
  parts.forEach(({ text, match }, at) => {
    const previous = parts[at - 1];
    const joins = previous !== undefined && (
      behavior === "MergedWithPrevious"
        ? match && !previous.match
        : behavior === "MergedWithNext"
        ? previous.match && !match
        : behavior === "Contiguous" && previous.match === match
    );
    if (joins) found[found.length - 1] += text;
    else found.push(text);
  });
  return found;
}
