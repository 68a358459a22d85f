/**
 * SentencePiece's `precompiled_charsmap`: which signs are replaced by which, as a double-array trie over UTF-8 bytes and
 * the texts that its leaves point to.
 *
 * Layout: u32 little-endian size of the trie in bytes, the trie's u32 units, then texts that each end in a zero byte.
 * `@huggingface/tokenizers` for JavaScript does NFKC in its place, which differs in hundreds of signs.
 *
 * Source: Darts-clone (https://github.com/s-yata/darts-clone), and the reading order of Rust's `spm_precompiled`.
 *
 * @module
 */

/** A group of signs shorter than this many bytes is looked up as a whole first, as SentencePiece's users do. */
const GROUP_BYTES = 6;

/**
 * The normaliser of a map.
 *
 * @param base64 the map, as a `tokenizer.json` holds it; without one the text stays
 * @throws TypeError when the map is damaged
 */
export function precompiled(base64: string): (text: string) => string {
  if (base64 === "") return (text) => text;
  const map = bytesOf(base64);
  const view = new DataView(map.buffer);
  const trieBytes = map.length < 4 ? Infinity : view.getUint32(0, true);
  if (4 + trieBytes > map.length || trieBytes % 4 !== 0) {
    throw new TypeError(`its precompiled_charsmap of ${map.length} bytes is cut short: fetch the file again`);
  }
  const trie = Uint32Array.from({ length: trieBytes / 4 }, (_, at) => view.getUint32(4 + 4 * at, true));
  const texts = map.subarray(4 + trieBytes);
  const encoder = new TextEncoder(), decoder = new TextDecoder();
  const signs = new Intl.Segmenter(undefined, { granularity: "grapheme" });

  /** What replaces a text that begins with an entry of the map, by the shortest such entry; else undefined. */
  const replacement = (bytes: Uint8Array): string | undefined => {
    let at = offset(trie[0]);
    for (const byte of bytes) {
      if (byte === 0) return undefined;
      at ^= byte;
      const unit = trie[at];
      if (unit === undefined || label(unit) !== byte) return undefined;
      at ^= offset(unit);
      if (hasLeaf(unit)) {
        const from = trie[at] & 0x7fff_ffff, end = texts.indexOf(0, from);
        return decoder.decode(texts.subarray(from, end < 0 ? texts.length : end));
      }
    }
    return undefined;
  };
  const known = new Map<string, string>();
  const normalized = (group: string): string => {
    const bytes = encoder.encode(group);
    const whole = bytes.length < GROUP_BYTES ? replacement(bytes) : undefined;
    return whole ?? Array.from(group, (sign) => replacement(encoder.encode(sign)) ?? sign).join("");
  };
  return (text) => {
    let result = "";
    for (const { segment } of signs.segment(text)) {
      result += segment.length === 1
        ? known.getOrInsertComputed(segment, () => normalized(segment))
        : normalized(segment);
    }
    return result;
  };
}

// The fields of a unit of the trie.
const label = (unit: number): number => (unit & 0x8000_00ff) >>> 0;
const offset = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
const hasLeaf = (unit: number): boolean => (unit >>> 8 & 1) === 1;

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.fromBase64(base64);
  } catch (cause) {
    throw new TypeError("its precompiled_charsmap is not base64: fetch the file again", { cause });
  }
}
