/**
 * What a `tokenizer.json` says about rows of token ids, and what `tokenizer_config.json` adds to it.
 *
 * @module
 */

/** What goes around a caption in a row of fixed length. */
export interface CaptionLayout {
  /** Ids before the caption, such as CLIP's start. */
  readonly before: readonly number[];
  /** Ids after it, such as the end. */
  readonly after: readonly number[];
  /** Id that fills the row. */
  readonly padId: number;
  /** Whether the row is filled on the left. */
  readonly padLeft: boolean;
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
}

interface TemplatePiece {
  readonly SpecialToken?: { readonly id: string };
  readonly Sequence?: { readonly id: string };
}

interface PostProcessor {
  readonly type: string;
  readonly single?: readonly TemplatePiece[];
  readonly special_tokens?: Readonly<Record<string, { readonly ids: readonly number[] }>>;
  readonly cls?: readonly [string, number];
  readonly sep?: readonly [string, number];
  readonly processors?: readonly PostProcessor[];
}

/** The parts of a `tokenizer.json` that are read here. */
export interface TokenizerFile {
  readonly added_tokens?: readonly AddedToken[];
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly post_processor: PostProcessor | null;
  readonly padding: { readonly pad_id: number; readonly direction: "Left" | "Right" } | null;
  readonly truncation: unknown;
  readonly model: {
    readonly vocab: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
  };
}

/** The end token of SentencePiece models, which older tokenizers append in their code rather than in the file. */
const SENTENCE_END = "</s>";

/** What goes around a caption, by the file's post-processor and padding. */
export function captionLayout(file: TokenizerFile): CaptionLayout {
  const { before, after } = file.post_processor
    ? around(file.post_processor)
    : { before: [], after: [idOf(file, SENTENCE_END)].filter((id) => id !== undefined) };
  const padId = file.padding?.pad_id ?? idOf(file, "<pad>") ?? idOf(file, "[PAD]") ?? after.at(-1) ?? 0;
  return { before, after, padId, padLeft: file.padding?.direction === "Left" };
}

function around(processor: PostProcessor): Pick<CaptionLayout, "before" | "after"> {
  switch (processor.type) {
    case "TemplateProcessing": {
      const pieces = processor.single ?? [], caption = pieces.findIndex(({ Sequence }) => Sequence);
      const ids = (part: readonly TemplatePiece[]) =>
        part.flatMap(({ SpecialToken }) => processor.special_tokens?.[SpecialToken?.id ?? ""]?.ids ?? []);
      return { before: ids(pieces.slice(0, caption)), after: ids(pieces.slice(caption + 1)) };
    }
    case "BertProcessing":
    case "RobertaProcessing":
      return { before: [processor.cls![1]], after: [processor.sep![1]] };
    case "Sequence": {
      const parts = (processor.processors ?? []).map(around);
      return {
        before: parts.toReversed().flatMap(({ before }) => before),
        after: parts.flatMap(({ after }) => after),
      };
    }
    case "ByteLevel": // only offsets
      return { before: [], after: [] };
    default:
      throw new TypeError(`its post-processor "${processor.type}" is not known here`);
  }
}

function idOf({ added_tokens, model: { vocab } }: TokenizerFile, token: string): number | undefined {
  const added = added_tokens?.find(({ content }) => content === token)?.id;
  if (added !== undefined) return added;
  if (!Array.isArray(vocab)) return (vocab as Record<string, number>)[token];
  const at = vocab.findIndex(([piece]) => piece === token);
  return at < 0 ? undefined : at;
}

/** Options of {@link importTokenizer}. */
export interface ImportTokenizerOptions {
  /** Tokens of a row, T; `model_max_length` of the configuration when left out. */
  length?: number;
  /** Lower-case captions first, as SigLIP 2 was trained, whose files do not say so. */
  lowercase?: boolean;
}

/**
 * A `tokenizer.json` that says everything by itself: the padding token, side and row length of `tokenizer_config.json`, and
 * what SigLIP's tokenizer class does to a caption in its code. Hugging Face's library reads rows of equal ids from it.
 *
 * @param json text of `tokenizer.json`
 * @param config text of `tokenizer_config.json`; null without one
 * @throws TypeError when a text is no such file, or the padding token is not in the vocabulary
 */
export function importTokenizer(
  json: string,
  config: string | null,
  { length, lowercase = false }: ImportTokenizerOptions = {},
): string {
  const file = parse(json, "tokenizer.json") as unknown as TokenizerFile;
  if (!file.model?.vocab) throw new TypeError("This is no tokenizer.json: it has no vocabulary");
  const said = config === null ? {} : parse(config, "tokenizer_config.json");
  const padToken = tokenText(said.pad_token);
  const padId = padToken === undefined ? undefined : idOf(file, padToken);
  if (padToken !== undefined && padId === undefined) {
    throw new TypeError(
      `tokenizer_config.json pads with "${padToken}", which tokenizer.json does not know: take both from one model`,
    );
  }
  const layout = captionLayout(file);
  // Models without a limit write 1e30.
  const limit = Number(said.model_max_length) < 1e6 ? Number(said.model_max_length) : undefined;
  const rows = length ?? limit;
  const id = padId ?? layout.padId;
  return JSON.stringify({
    ...file,
    truncation: rows === undefined
      ? null
      : { direction: "Right", max_length: rows, strategy: "LongestFirst", stride: 0 },
    padding: {
      strategy: rows === undefined ? "BatchLongest" : { Fixed: rows },
      direction: said.padding_side === "left" ? "Left" : layout.padLeft ? "Left" : "Right",
      pad_to_multiple_of: null,
      pad_id: id,
      pad_type_id: 0,
      pad_token: padToken ?? tokenOf(file, id),
    },
    normalizer: withSteps(file.normalizer, canonicalSteps(String(said.tokenizer_class ?? ""), lowercase)),
    post_processor: file.post_processor ?? endTemplate(layout.after),
  });
}

function parse(text: string, name: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TypeError(`This is no ${name}: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== "object" || value === null) throw new TypeError(`This is no ${name}: it is no object`);
  return value as Record<string, unknown>;
}

/** A token as configurations write it: its text, or an object that holds it. */
function tokenText(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  return (token as { content?: string } | null | undefined)?.content;
}

function tokenOf({ added_tokens, model: { vocab } }: TokenizerFile, id: number): string {
  const added = added_tokens?.find((token) => token.id === id)?.content;
  const held = Array.isArray(vocab)
    ? vocab[id]?.[0]
    : Object.keys(vocab).find((token) => (vocab as Record<string, number>)[token] === id);
  return added ?? held ?? "";
}

/** What a tokenizer class does in its code: SigLIP's drops case, punctuation and surplus blanks, SigLIP 2's case. */
function canonicalSteps(tokenizerClass: string, lowercase: boolean): { type: string }[] {
  const lower = { type: "Lowercase" };
  if (/^SiglipTokenizer/.test(tokenizerClass)) {
    const replace = (Regex: string, content: string) => ({ type: "Replace", pattern: { Regex }, content });
    return [
      lower,
      replace("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]", ""),
      replace("\\s+", " "),
      { type: "Strip", strip_left: true, strip_right: true } as { type: string },
    ];
  }
  return lowercase || tokenizerClass === "Siglip2Tokenizer" ? [lower] : [];
}

/** A normaliser after further steps, unless it has steps of all their kinds itself. */
function withSteps(normalizer: unknown, steps: readonly { type: string }[]): unknown {
  const own = normalizer as { type: string; normalizers?: { type: string }[] } | null;
  const parts = own === null ? [] : own.type === "Sequence" ? own.normalizers ?? [] : [own];
  if (steps.every(({ type }) => parts.some((part) => part.type === type))) return normalizer;
  return { type: "Sequence", normalizers: [...steps, ...parts] };
}

/** The post-processor that appends the end token. */
function endTemplate(after: readonly number[]): unknown {
  if (after.length === 0) return null;
  const end = { SpecialToken: { id: SENTENCE_END, type_id: 0 } };
  const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } });
  return {
    type: "TemplateProcessing",
    single: [sequence("A"), end],
    pair: [sequence("A"), end, sequence("B"), end],
    special_tokens: { [SENTENCE_END]: { id: SENTENCE_END, ids: after, tokens: [SENTENCE_END] } },
  };
}
