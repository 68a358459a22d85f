/**
 * Writes protobuf's wire format: what an ONNX file is made of.
 *
 * A message is kept as a list of byte arrays, so that weights are never copied on their way into the messages around them.
 *
 * Source: https://protobuf.dev/programming-guides/encoding
 *
 * @module
 */

const VARINT = 0, LENGTH_DELIMITED = 2, FIXED_32 = 5;

/** A message that is being written; each method appends one field. */
export class Message {
  /** The bytes so far, in pieces. */
  readonly parts: Uint8Array[] = [];
  /** Bytes so far. */
  sizeBytes = 0;

  /** An integer, as int64 or an enumeration. */
  integer(field: number, value: number): this {
    return this.#append(varint(field << 3 | VARINT)).#append(varint(value));
  }

  /** A 32-bit float. */
  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#append(varint(field << 3 | FIXED_32)).#append(bytes);
  }

  /** Text. */
  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  /** Bytes; they are not copied. */
  bytes(field: number, value: Uint8Array): this {
    return this.#append(varint(field << 3 | LENGTH_DELIMITED)).#append(varint(value.length)).#append(value);
  }

  /** A message within this one. */
  message(field: number, value: Message): this {
    this.#append(varint(field << 3 | LENGTH_DELIMITED)).#append(varint(value.sizeBytes));
    for (const part of value.parts) this.#append(part);
    return this;
  }

  #append(part: Uint8Array): this {
    this.parts.push(part);
    this.sizeBytes += part.length;
    return this;
  }
}

/** Seven bits a byte, lowest first; negative numbers as 64-bit two's complement. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
