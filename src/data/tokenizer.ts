/**
 * Captions to token ids, by any Hugging Face `tokenizer.json`.
 *
 * Models, added tokens and decoding are `@huggingface/tokenizers`'; normalisers, pre-tokenizers, and what goes around a
 * caption are done here, so that ids equal those of Hugging Face's library in Rust and Python.
 *
 * Two differences remain in the library (0.2.0), both beside added tokens: it knows no `single_word`, and a token that
 * strips what is around it (`lstrip`, `rstrip`) also strips U+FEFF, which is no white space to Unicode.
 *
 * @module
 */

import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { normalizer, type NormalizerConfig } from "./normalizer.ts";
import { preTokenizer, type PreTokenizerConfig } from "./pre_tokenizer.ts";
import { type CaptionLayout, captionLayout, type TokenizerFile } from "./tokenizer_file.ts";

export { trainTokenizer } from "./bpe.ts";
export { importTokenizer, type ImportTokenizerOptions } from "./tokenizer_file.ts";
export type { CaptionLayout };

/** The part of a Hugging Face tokenizer that is used here. */
export interface Tokenizer {
  /** The token ids of a text. */
  encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
  /** The text of token ids. */
  decode(ids: number[], options?: { skip_special_tokens?: boolean }): string;
  /** What goes around a caption in a row of fixed length. */
  readonly layout: CaptionLayout;
  /** One more than the largest id. */
  readonly vocabularySize: number;
}

/** The library's tokenizer, with the parts that are exchanged. */
interface Parts {
  normalizer: (text: string) => string;
  pre_tokenizer: (text: string, options?: { section_index?: number }) => string[];
  readonly model: { readonly vocab: readonly string[] };
}

/**
 * Loads a `tokenizer.json`. What stands in `tokenizer_config.json` is brought in by {@link importTokenizer}.
 *
 * @throws TypeError when the text is no tokenizer, or has a part that is not known here
 */
export function loadTokenizer(json: string): Tokenizer {
  try {
    const file = JSON.parse(json) as TokenizerFile;
    if (!file?.model?.vocab) throw new TypeError("it has no vocabulary");
    const normalize = normalizer((file.normalizer ?? null) as NormalizerConfig | null);
    const words = preTokenizer((file.pre_tokenizer ?? null) as PreTokenizerConfig | null);
    const layout = captionLayout(file);
    const whole = new HuggingFaceTokenizer(file, { clean_up_tokenization_spaces: false });
    const parts = whole as unknown as Parts;
    parts.normalizer = normalize;
    parts.pre_tokenizer = (text, options) => words(text, options?.section_index === 0);
    return Object.assign(whole, { layout, vocabularySize: parts.model.vocab.length });
  } catch (cause) {
    throw new TypeError(`This is no tokenizer.json: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Captions as rows of T token ids: the tokens that the tokenizer puts before and after, and padding. A caption that is
 * too long is cut so that those tokens stay.
 *
 * @param length T
 * @returns [n, T]
 * @throws RangeError when T leaves no room for a caption
 */
export function encodeCaptions(
  tokenizer: Tokenizer,
  captions: readonly string[],
  length: number,
): Uint32Array<ArrayBuffer> {
  const { before, after, padId, padLeft } = tokenizer.layout;
  const room = length - before.length - after.length;
  if (room < 1) {
    throw new RangeError(
      `Rows of ${length} tokens leave no room for a caption: the tokenizer adds ${
        before.length + after.length
      }`,
    );
  }
  const rows = new Uint32Array(captions.length * length).fill(padId);
  const known = new Map<string, readonly number[]>();
  captions.forEach((caption, row) => {
    const ids = known.getOrInsertComputed(caption, () => {
      const own = tokenizer.encode(caption, { add_special_tokens: false }).ids.slice(0, room);
      return [...before, ...own, ...after];
    });
    rows.set(ids, row * length + (padLeft ? length - ids.length : 0));
  });
  return rows;
}
