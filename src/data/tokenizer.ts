/**
 * Captions to token ids, by a Hugging Face tokenizer.
 *
 * @module
 */

import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { END_ID, PAD_ID } from "./bpe.ts";

export { trainTokenizer } from "./bpe.ts";

/** The part of a Hugging Face tokenizer that is used here. */
export interface Tokenizer {
  /** The token ids of a text. */
  encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
  /** The text of token ids. */
  decode(ids: number[], options?: { skip_special_tokens?: boolean }): string;
}

/**
 * Loads a `tokenizer.json`.
 *
 * @throws TypeError when the text is no tokenizer
 */
export function loadTokenizer(json: string): Tokenizer {
  try {
    return new HuggingFaceTokenizer(JSON.parse(json), { clean_up_tokenization_spaces: false });
  } catch (cause) {
    throw new TypeError(`This is no tokenizer.json: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Captions as rows of T token ids, as SigLIP takes them: the caption, the end token, padding. A caption that is too
 * long is cut so that the end token stays last.
 *
 * @param length T
 * @returns [n, T]
 */
export function encodeCaptions(
  tokenizer: Tokenizer,
  captions: readonly string[],
  length: number,
): Uint32Array<ArrayBuffer> {
  const rows = new Uint32Array(captions.length * length).fill(PAD_ID);
  const known = new Map<string, readonly number[]>();
  captions.forEach((caption, row) => {
    const ids = known.getOrInsertComputed(
      caption,
      () => tokenizer.encode(caption, { add_special_tokens: false }).ids.slice(0, length - 1),
    );
    rows.set(ids, row * length);
    rows[row * length + ids.length] = END_ID;
  });
  return rows;
}
