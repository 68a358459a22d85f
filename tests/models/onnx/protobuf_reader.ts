/** Reads protobuf's wire format field by field. */

/** A field: an integer, or its bytes. */
export interface Field {
  readonly number: number;
  readonly integer: number;
  readonly bytes: Uint8Array;
}

/** The fields of a message, in order. */
export function fields(message: Uint8Array): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n, shift = 0n;
    for (;; shift += 7n) {
      if (at >= message.length) throw new Error("the message is cut short");
      const byte = message[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
  };
  while (at < message.length) {
    const tag = varint(), number = tag >>> 3, type = tag & 7;
    if (type === 0) found.push({ number, integer: varint(), bytes: new Uint8Array() });
    else {
      if (type !== 2 && type !== 5) throw new Error(`wire type ${type}`);
      const length = type === 5 ? 4 : varint();
      if (at + length > message.length) throw new Error("the message is cut short");
      found.push({ number, integer: 0, bytes: message.subarray(at, at += length) });
    }
  }
  return found;
}

/** The bytes of every field of a number. */
export const all = (message: Uint8Array, number: number): Uint8Array[] =>
  fields(message).filter((field) => field.number === number).map(({ bytes }) => bytes);

/** The texts of every field of a number. */
export const texts = (message: Uint8Array, number: number): string[] =>
  all(message, number).map((bytes) => new TextDecoder().decode(bytes));

/** The integers of every field of a number. */
export const integers = (message: Uint8Array, number: number): number[] =>
  fields(message).filter((field) => field.number === number).map(({ integer }) => integer);
