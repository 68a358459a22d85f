/**
 * The reference model: trained once on the curated set, kept, and its embeddings of the pool kept with it.
 *
 * @module
 */

import type { KeptFiles } from "../data/cache.ts";
import type { Pictures } from "../data/pictures.ts";
import type { Device } from "../gpu/device.ts";
import { DualEncoder } from "../models/model.ts";
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from "../storage/safetensors.ts";

/** Unit embeddings of a data set with the scale and bias that go with them: what `superbatch select` reads. */
export interface EmbeddingSet {
  /** [n, width] */
  readonly image: Float32Array;
  /** [n, width] */
  readonly text: Float32Array;
  readonly width: number;
  /** α */
  readonly logitScale: number;
  /** β */
  readonly logitBias: number;
}

/** A short name for anything that JSON can hold: the first 16 hex digits of its SHA-256. */
export async function contentKey(content: unknown): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(content)));
  return Array.from(new Uint8Array(digest, 0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A kept reference, or null when there is none or the file is damaged. */
export async function keptReference(
  device: Device,
  files: KeptFiles,
  key: string,
): Promise<DualEncoder | null> {
  const bytes = await files.read(`reference-${key}.safetensors`);
  if (!bytes) return null;
  try {
    return DualEncoder.load(device, bytes, { name: `reference-${key}` });
  } catch {
    return null; // a damaged cache is made anew
  }
}

/** Keeps a reference for the next run. */
export async function keepReference(files: KeptFiles, key: string, reference: DualEncoder): Promise<void> {
  await files.write(`reference-${key}.safetensors`, await reference.save());
}

/** Pairs whose embeddings go into one file, so that an embedding that was stopped goes on where it was. */
const PART = 8192;

/**
 * The reference's embeddings of a data set: kept ones, or computed now and kept, part by part.
 *
 * @param key names the reference, its tokenizer and its patch size; together with the data's hash it names the embeddings
 * @param options.patchSize side of the patches that the reference was trained with; its own when left out
 * @param options.onProgress is told the pictures and captions that are done; what it throws ends the embedding
 * @param options.part pairs of one file; 8,192 when left out
 * @returns the embeddings, and how many pairs had to be computed
 */
export async function referenceEmbeddings(
  reference: DualEncoder,
  data: {
    readonly pictures: Pictures;
    readonly tokens: Uint32Array;
    readonly size: number;
    readonly hash: string;
  },
  files: KeptFiles,
  key: string,
  { patchSize, onProgress, part = PART }: {
    patchSize?: number;
    onProgress: (done: number, total: number) => void;
    part?: number;
  },
): Promise<{ embeddings: EmbeddingSet; computed: number }> {
  const name = `embeddings-${await contentKey([key, data.hash, part])}`;
  const width = reference.config.embedding, total = 2 * data.size;
  const image = new Float32Array(data.size * width), text = new Float32Array(data.size * width);
  const scaleAndBias = await reference.logitScaleAndBias();
  let computed = 0;
  for (let first = 0; first < data.size; first += part) {
    const count = Math.min(part, data.size - first), file = `${name}-${first / part}.safetensors`;
    let rows = keptEmbeddings(await files.read(file), file, count * width);
    if (!rows) {
      const progress = (done: number) => onProgress(2 * first + done, total);
      const tokens = data.tokens.length / data.size;
      rows = {
        image: await reference.embedImages(data.pictures.slice(first, count), {
          patchSize,
          onProgress: progress,
        }),
        text: await reference.embedTexts(data.tokens.subarray(first * tokens, (first + count) * tokens), {
          onProgress: (done) => progress(count + done),
        }),
        width,
        ...scaleAndBias,
      };
      await files.write(file, writeEmbeddings(rows));
      computed += count;
    }
    image.set(rows.image, first * width);
    text.set(rows.text, first * width);
  }
  return { embeddings: { image, text, width, ...scaleAndBias }, computed };
}

/** What a file of embeddings holds; null when there is none, or another number of them, or it is damaged. */
function keptEmbeddings(bytes: Uint8Array | null, name: string, size: number): EmbeddingSet | null {
  if (!bytes) return null;
  try {
    const rows = readEmbeddings(bytes, name);
    return rows.image.length === size ? rows : null;
  } catch {
    return null; // made anew
  }
}

/** The bytes of an embedding file: `image` and `text` [n, D] F32, `logit_scale` (α) and `logit_bias` scalars. */
export function writeEmbeddings({ image, text, width, logitScale, logitBias }: EmbeddingSet): Uint8Array {
  const matrix = (data: Float32Array): SafetensorsTensor => ({
    dtype: "F32",
    shape: [data.length / width, width],
    data: data as Float32Array<ArrayBuffer>,
  });
  const scalar = (value: number): SafetensorsTensor => ({
    dtype: "F32",
    shape: [],
    data: Float32Array.of(value),
  });
  return writeSafetensors(
    new Map([
      ["image", matrix(image)],
      ["text", matrix(text)],
      ["logit_scale", scalar(logitScale)],
      ["logit_bias", scalar(logitBias)],
    ]),
  );
}

/**
 * Reads an embedding file; scalars may have the shape [] or [1].
 *
 * @throws {SafetensorsError} when the file is damaged
 * @throws TypeError when a tensor is missing or of another type or shape
 */
export function readEmbeddings(bytes: Uint8Array, name: string): EmbeddingSet {
  const { tensors } = readSafetensors(bytes, { name });
  const get = (key: string, axes: number) => {
    const tensor = tensors.get(key);
    const wanted = axes === 2 ? "F32 [B, D]" : "one F32 number";
    if (
      !tensor || tensor.dtype !== "F32" || (axes === 2 ? tensor.shape.length !== 2 : tensor.data.length !== 1)
    ) {
      throw new TypeError(
        `${name}: "${key}" is ${
          tensor ? `${tensor.dtype} [${tensor.shape}]` : "missing"
        }, expected ${wanted}`,
      );
    }
    return { shape: tensor.shape, data: tensor.data };
  };
  const image = get("image", 2), text = get("text", 2);
  if (String(image.shape) !== String(text.shape)) {
    throw new TypeError(`${name}: "text" is [${text.shape}], expected [${image.shape}] as "image"`);
  }
  return {
    image: image.data,
    text: text.data,
    width: image.shape[1],
    logitScale: get("logit_scale", 0).data[0],
    logitBias: get("logit_bias", 0).data[0],
  };
}
