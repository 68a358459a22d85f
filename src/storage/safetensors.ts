/**
 * Safetensors files: named tensors and string metadata in one flat file.
 *
 * Layout: u64 little-endian header size, JSON header, data. Every byte of the data belongs to exactly one tensor, so a
 * file that was cut, extended or edited is recognised. Pure functions on bytes: they work in a browser too.
 *
 * Source: https://github.com/huggingface/safetensors, "Format".
 *
 * @module
 */

import { duplicateKey } from "./duplicate_key.ts";

/** The array that holds the elements of each element type; F16 and BF16 stay raw 16-bit words. */
export interface ElementArrays {
  /** 0 or 1 a byte. */
  BOOL: Uint8Array<ArrayBuffer>;
  /** Unsigned bytes. */
  U8: Uint8Array<ArrayBuffer>;
  /** Signed bytes. */
  I8: Int8Array<ArrayBuffer>;
  /** Unsigned 16-bit integers. */
  U16: Uint16Array<ArrayBuffer>;
  /** Signed 16-bit integers. */
  I16: Int16Array<ArrayBuffer>;
  /** Half precision, as raw words. */
  F16: Uint16Array<ArrayBuffer>;
  /** bfloat16, as raw words. */
  BF16: Uint16Array<ArrayBuffer>;
  /** Unsigned 32-bit integers. */
  U32: Uint32Array<ArrayBuffer>;
  /** Signed 32-bit integers. */
  I32: Int32Array<ArrayBuffer>;
  /** Single precision. */
  F32: Float32Array<ArrayBuffer>;
  /** Unsigned 64-bit integers. */
  U64: BigUint64Array<ArrayBuffer>;
  /** Signed 64-bit integers. */
  I64: BigInt64Array<ArrayBuffer>;
  /** Double precision. */
  F64: Float64Array<ArrayBuffer>;
}

/** Name of an element type, as the format spells it. */
export type Dtype = keyof ElementArrays;

/** A tensor in row-major order; `dtype` decides the type of `data`. An empty shape is a scalar. */
export type SafetensorsTensor = {
  [D in Dtype]: { dtype: D; shape: readonly number[]; data: ElementArrays[D] };
}[Dtype];

/** What a safetensors file holds. */
export interface SafetensorsFile {
  /** By name, in the order of the data. */
  tensors: Map<string, SafetensorsTensor>;
  /** Free strings, such as a model's configuration; empty when the file has none. */
  metadata: Record<string, string>;
}

/** A file that is no valid safetensors file; the message names the file, the tensor and the fault. */
export class SafetensorsError extends Error {
  /** "SafetensorsError". */
  override readonly name = "SafetensorsError";

  /**
   * The error for a fault of a file, or of one of its tensors.
   *
   * @param fault what is wrong
   */
  constructor(
    fault: string,
    /** Name of the file. */
    readonly file: string,
    /** Name of the tensor at fault, if one is. */
    readonly tensor?: string,
  ) {
    super(`Cannot read "${file}"${tensor === undefined ? "" : `, tensor "${tensor}"`}: ${fault}`);
  }
}

const CONSTRUCTORS: { [D in Dtype]: new (buffer: ArrayBuffer) => ElementArrays[D] } = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  U16: Uint16Array,
  I16: Int16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  U32: Uint32Array,
  I32: Int32Array,
  F32: Float32Array,
  U64: BigUint64Array,
  I64: BigInt64Array,
  F64: Float64Array,
};

const ELEMENT_BYTES: Record<Dtype, number> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

const LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 100_000_000; // the format's own limit
const METADATA = "__metadata__";

/** A tensor's line of the header, checked; begin and end count from the start of the data. */
interface Entry {
  name: string;
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

/**
 * Reads a whole safetensors file; the tensors are copies, so `bytes` may be reused.
 *
 * @param bytes the file
 * @param options name: what to call the file in errors
 * @throws SafetensorsError when the file is cut short or malformed in any way
 */
export function readSafetensors(bytes: Uint8Array, options: { name?: string } = {}): SafetensorsFile {
  const file = options.name ?? "safetensors bytes";
  const dataStart = LENGTH_BYTES + headerSize(bytes, file);
  const header = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart), file);
  const metadata = parseMetadata(header[METADATA], file);
  const entries = Object.entries(header).filter(([name]) => name !== METADATA)
    .map(([name, value]) => parseEntry(name, value, file))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(entries, dataStart, bytes.length, file);
  const tensors = new Map<string, SafetensorsTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const content = new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end)).buffer;
    const data = new CONSTRUCTORS[dtype](content);
    tensors.set(name, { dtype, shape, data } as SafetensorsTensor);
  }
  return { tensors, metadata };
}

/** Size of the JSON header in bytes, checked against the file. */
function headerSize(bytes: Uint8Array, file: string): number {
  if (bytes.length < LENGTH_BYTES) {
    throw new SafetensorsError(
      `the file has ${bytes.length} bytes, a header needs at least ${LENGTH_BYTES}: it is empty or cut short; copy it again`,
      file,
    );
  }
  const size = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (size > BigInt(MAX_HEADER_BYTES)) {
    throw new SafetensorsError(
      `its first 8 bytes give a header of ${size} bytes, at most ${MAX_HEADER_BYTES} are allowed: ` +
        "this is not a safetensors file",
      file,
    );
  }
  const wanted = LENGTH_BYTES + Number(size);
  if (wanted > bytes.length) throw cutShort(wanted, bytes.length, file);
  return Number(size);
}

/** The error for a file that ends before its header says. */
function cutShort(wanted: number, actual: number, file: string): SafetensorsError {
  return new SafetensorsError(
    `the header says ${wanted} bytes, the file has ${actual}: the file is cut short; copy it again`,
    file,
  );
}

/** The header as an object without repeated keys. */
function parseHeader(bytes: Uint8Array, file: string): Record<string, unknown> {
  let text: string, header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw new SafetensorsError(`its header is not valid JSON (${(cause as Error).message})`, file);
  }
  if (!isRecord(header)) throw new SafetensorsError("its header is not a JSON object", file);
  const repeated = duplicateKey(text);
  if (repeated !== undefined) {
    throw new SafetensorsError(`its header gives the name "${repeated}" twice`, file);
  }
  return header;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value) || Object.values(value).some((item) => typeof item !== "string")) {
    throw new SafetensorsError(`"${METADATA}" must map strings to strings`, file);
  }
  return value as Record<string, string>;
}

/** One tensor's line of the header; its place is checked by itself, not yet against the others. */
function parseEntry(name: string, value: unknown, file: string): Entry {
  const fail = (fault: string): never => {
    throw new SafetensorsError(fault, file, name);
  };
  if (!isRecord(value)) return fail("its header entry is not an object");
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(ELEMENT_BYTES, dtype)) {
    return fail(
      `unknown dtype ${JSON.stringify(dtype)}, expected one of ${Object.keys(ELEMENT_BYTES).join(", ")}`,
    );
  }
  if (!isSizeList(shape)) {
    return fail(`shape is ${JSON.stringify(shape)}, expected an array of non-negative integers`);
  }
  if (!isSizeList(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    return fail(`data_offsets is ${JSON.stringify(offsets)}, expected [begin, end] with 0 ≤ begin ≤ end`);
  }
  const [begin, end] = offsets;
  const sizeBytes = byteSize(shape, dtype as Dtype);
  if (sizeBytes !== end - begin) {
    return fail(`${dtype} [${shape}] takes ${sizeBytes} bytes, but its data_offsets span ${end - begin}`);
  }
  return { name, dtype: dtype as Dtype, shape, begin, end };
}

function isSizeList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** Bytes of a tensor; infinite or inexact beyond 2⁵³, which then equals no span of a file. */
function byteSize(shape: readonly number[], dtype: Dtype): number {
  return shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, ELEMENT_BYTES[dtype]);
}

/** The tensors, in order, must fill the data without hole, overlap or rest. */
function checkLayout(entries: readonly Entry[], dataStart: number, fileBytes: number, file: string): void {
  let filled = 0;
  for (const { name, begin, end } of entries) {
    if (begin < filled) {
      throw new SafetensorsError(
        `it starts at byte ${begin}, inside the tensor before it, which ends at ${filled}`,
        file,
        name,
      );
    }
    if (begin > filled) {
      throw new SafetensorsError(
        `it starts at byte ${begin}, but the tensor before it ends at ${filled}`,
        file,
        name,
      );
    }
    filled = end;
  }
  if (dataStart + filled > fileBytes) throw cutShort(dataStart + filled, fileBytes, file);
  if (dataStart + filled < fileBytes) {
    throw new SafetensorsError(
      `the header says ${
        dataStart + filled
      } bytes, the file has ${fileBytes}: bytes that belong to no tensor follow; copy it again`,
      file,
    );
  }
}

/**
 * The bytes of a safetensors file. The same content gives the same bytes whatever the order of insertion: wider
 * element types first, then by name, so that each tensor is aligned to its elements; the header is padded to 8 bytes.
 *
 * @param tensors by name
 * @param metadata free strings, such as a model's configuration
 * @throws TypeError when a shape does not fit its data, or the data its dtype
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const ordered = [...tensors].sort(([a, { dtype: s }], [b, { dtype: t }]) =>
    ELEMENT_BYTES[t] - ELEMENT_BYTES[s] || (a < b ? -1 : 1)
  );
  const header: [string, unknown][] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) header.push([METADATA, Object.fromEntries(keys.map((key) => [key, metadata[key]]))]);
  let filled = 0;
  for (const [name, tensor] of ordered) {
    checkTensor(name, tensor);
    const end = filled + tensor.data.byteLength;
    header.push([name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [filled, end] }]);
    filled = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(LENGTH_BYTES + headerBytes + filled);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(json, LENGTH_BYTES);
  let at = LENGTH_BYTES + headerBytes;
  bytes.fill(0x20, LENGTH_BYTES + json.length, at); // spaces: JSON allows them after the object
  for (const [, { data }] of ordered) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

function checkTensor(name: string, { dtype, shape, data }: SafetensorsTensor): void {
  if (name === METADATA) {
    throw new TypeError(
      `Cannot write a tensor named "${METADATA}": the format keeps that name; choose another`,
    );
  }
  if (!Object.hasOwn(CONSTRUCTORS, dtype) || !(data instanceof CONSTRUCTORS[dtype])) {
    throw new TypeError(`Cannot write tensor "${name}": ${dtype} does not fit ${data.constructor.name}`);
  }
  if (!isSizeList(shape) || byteSize(shape, dtype) !== data.byteLength) {
    throw new TypeError(
      `Cannot write tensor "${name}": ${dtype} [${shape}] does not fit its ${data.length} elements`,
    );
  }
}
