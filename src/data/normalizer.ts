/**
 * The normalisers of a `tokenizer.json`, as Hugging Face's own library (Rust) computes them.
 *
 * `@huggingface/tokenizers` 0.2.0 for JavaScript differs in these, and so in ids; each is noted where it is done
 * otherwise. What is not here is left to that library.
 *
 * @module
 */

import { ReplaceNormalizer } from "@huggingface/tokenizers";
import { precompiled } from "./precompiled.ts";

/** Changes a text before it is split. */
export type Normalize = (text: string) => string;

/** A normaliser as the file describes it. */
export interface NormalizerConfig {
  readonly type: string;
  readonly normalizers?: readonly NormalizerConfig[];
  readonly [option: string]: unknown;
}

/**
 * The function that a normaliser's description stands for.
 *
 * @throws TypeError when there is no normaliser of that type
 */
export function normalizer(config: NormalizerConfig | null): Normalize {
  if (config === null) return (text) => text;
  switch (config.type) {
    case "Sequence": {
      const parts = (config.normalizers ?? []).map(normalizer);
      return (text) => parts.reduce((current, part) => part(current), text);
    }
    case "BertNormalizer":
      return bert(config);
    case "Lowercase":
      return lowercase;
    case "Precompiled":
      return precompiled(String(config.precompiled_charsmap ?? ""));
    case "Prepend": // nothing is put before nothing
      return (text) => text === "" ? text : `${config.prepend}${text}`;
    case "Strip":
      return strip(config.strip_left === true, config.strip_right === true);
    case "Replace": {
      const pattern = compilePattern(config.pattern), content = String(config.content ?? "");
      return (text) => text.replaceAll(pattern, () => content);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return (text) => text.normalize(config.type);
    case "StripAccents":
      return (text) => text.replace(/\p{M}/gu, "");
    default:
      throw new TypeError(`its normalizer "${config.type}" is not known here`);
  }
}

/**
 * The expression of a pattern, which is a string or Oniguruma's dialect, translated by the library.
 *
 * @throws TypeError when it cannot be
 */
export function compilePattern(pattern: unknown): RegExp {
  const config = { type: "Replace", pattern: pattern as { Regex: string }, content: "" } as const;
  const compiled = new ReplaceNormalizer(config).pattern;
  if (!compiled) throw new TypeError(`its pattern ${JSON.stringify(pattern)} is not known here`);
  return compiled;
}

/** Lower case sign by sign: JavaScript's own turns a sigma that ends a word into ς, Rust's does not. */
function lowercase(text: string): string {
  return text.includes("Σ") ? Array.from(text, (sign) => sign.toLowerCase()).join("") : text.toLowerCase();
}

/** Unicode's White_Space at the ends; JavaScript's `trim` also takes U+FEFF, and leaves U+0085. */
function strip(left: boolean, right: boolean): Normalize {
  return (text) => {
    if (left) text = text.replace(/^\p{White_Space}+/u, "");
    if (right) text = text.replace(/\p{White_Space}+$/u, "");
    return text;
  };
}

/** BERT's: here Chinese signs beyond U+FFFF are set apart too. */
function bert(config: NormalizerConfig): Normalize {
  const { clean_text, handle_chinese_chars, lowercase: lower, strip_accents } = config;
  return (text) => {
    if (clean_text) {
      text = text.replace(/(?![\t\n\r])[\0\ufffd\p{Cc}\p{Cf}\p{Co}]/gu, "").replace(/\p{White_Space}/gu, " ");
    }
    if (handle_chinese_chars) text = text.replace(chineseSigns, " $& ");
    if (strip_accents ?? lower) text = text.normalize("NFD").replace(/\p{Mn}/gu, "");
    return lower ? lowercase(text) : text;
  };
}

/** The blocks that BERT takes for Chinese. */
const chineseSigns =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;
