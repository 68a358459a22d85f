/**
 * Trains a byte-level BPE on captions and writes it as a Hugging Face `tokenizer.json`.
 *
 * Source: Sennrich et al., arXiv:1508.07909; bytes as units as in GPT-2.
 *
 * @module
 */

/** Ids of the two special tokens. */
export const PAD_ID = 0;
/** End of a caption. */
export const END_ID = 1;

/** Splits words as the written tokenizer will: a word with the blank before it, or a run of signs. */
const pattern = " ?[\\p{L}]+| ?[\\p{N}]+| ?[^\\s\\p{L}\\p{N}]+|\\s+";

/**
 * The printable character that stands for each byte: itself where it is printable, else one from U+0100 on.
 * The same table as GPT-2's, so that every byte-level tokenizer reads the file.
 */
export function byteAlphabet(): string[] {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

/**
 * A tokenizer for the given captions, as the text of a `tokenizer.json`. The same captions give the same text.
 *
 * @param vocabularySize tokens at the most, the two special ones and 256 bytes included
 * @throws RangeError when the vocabulary cannot hold the bytes
 */
export function trainTokenizer(
  captions: readonly string[],
  { vocabularySize }: { vocabularySize: number },
): string {
  const alphabet = byteAlphabet();
  if (vocabularySize < alphabet.length + 2) {
    throw new RangeError(
      `A vocabulary of ${vocabularySize} cannot hold the 256 bytes and 2 special tokens: use 258 or more`,
    );
  }
  const vocabulary = ["<pad>", "</s>", ...alphabet.toSorted()];
  const merges: [string, string][] = [];
  const words = countWords(captions, alphabet);
  // Pairs by how often they occur, kept up while words are merged.
  const counts = new Map<string, number>();
  const places = new Map<string, Set<Word>>();
  const count = (word: Word, sign: 1 | -1) => {
    for (let at = 0; at + 1 < word.units.length; at++) {
      const pair = `${word.units[at]} ${word.units[at + 1]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + sign * word.count);
      if (sign === 1) places.getOrInsertComputed(pair, () => new Set()).add(word);
    }
  };
  for (const word of words) count(word, 1);
  while (vocabulary.length < vocabularySize) {
    let best = "", most = 1; // a pair that occurs once is not worth a token
    for (const [pair, times] of counts) {
      if (times > most || (times === most && best !== "" && pair < best)) [best, most] = [pair, times];
    }
    if (best === "") break;
    const [left, right] = best.split(" ");
    merges.push([left, right]);
    vocabulary.push(left + right);
    for (const word of places.get(best)!) {
      count(word, -1);
      word.units = merge(word.units, left, right);
      count(word, 1);
    }
    counts.delete(best);
  }
  return JSON.stringify(tokenizerFile(vocabulary, merges), null, 1) + "\n";
}

interface Word {
  units: string[];
  readonly count: number;
}

function countWords(captions: readonly string[], alphabet: readonly string[]): Word[] {
  const found = new Map<string, number>();
  const expression = new RegExp(pattern, "gu"), encoder = new TextEncoder();
  for (const caption of captions) {
    for (const [word] of caption.toLowerCase().matchAll(expression)) {
      found.set(word, (found.get(word) ?? 0) + 1);
    }
  }
  return [...found].map(([word, count]) => ({
    units: Array.from(encoder.encode(word), (byte) => alphabet[byte]),
    count,
  }));
}

function merge(units: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let at = 0; at < units.length; at++) {
    if (units[at] === left && units[at + 1] === right) merged.push(left + units[++at]);
    else merged.push(units[at]);
  }
  return merged;
}

function tokenizerFile(vocabulary: readonly string[], merges: readonly [string, string][]): unknown {
  const special = (content: string, id: number) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } });
  const end = { SpecialToken: { id: "</s>", type_id: 0 } };
  return {
    version: "1.0",
    truncation: null,
    padding: {
      strategy: "BatchLongest",
      direction: "Right",
      pad_to_multiple_of: null,
      pad_id: PAD_ID,
      pad_type_id: 0,
      pad_token: "<pad>",
    },
    added_tokens: [special("<pad>", PAD_ID), special("</s>", END_ID)],
    normalizer: { type: "Lowercase" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [sequence("A"), end],
      pair: [sequence("A"), end, sequence("B"), end],
      special_tokens: { "</s>": { id: "</s>", ids: [END_ID], tokens: ["</s>"] } },
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      merges,
    },
  };
}
