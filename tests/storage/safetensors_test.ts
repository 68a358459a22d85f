import assert from "node:assert/strict";
import fc from "fast-check";
import { toFloat32 } from "../../src/storage/float_conversion.ts";
import {
  type Dtype,
  readSafetensors,
  SafetensorsError,
  type SafetensorsTensor,
  writeSafetensors,
} from "../../src/storage/safetensors.ts";

/** A file with a header of our own making; `header` may be any text. */
function craft(header: unknown, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const tensor = (shape: number[], begin: number, end: number, dtype: string = "F32") => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

function assertFault(bytes: Uint8Array, ...fragments: string[]): void {
  assert.throws(() => readSafetensors(bytes, { name: "model.safetensors" }), (error) => {
    assert.ok(error instanceof SafetensorsError, String(error));
    assert.match(error.message, /"model\.safetensors"/);
    for (const fragment of fragments) assert.ok(error.message.includes(fragment), error.message);
    return true;
  });
}

const sample = new Map<string, SafetensorsTensor>([
  ["b", { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
  ["a", { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, -0, NaN, Infinity) }],
  ["scalar", { dtype: "I64", shape: [], data: BigInt64Array.of(-5n) }],
  ["empty", { dtype: "F32", shape: [4, 0], data: new Float32Array() }],
]);

Deno.test("what is written is read back, bit for bit", () => {
  const { tensors, metadata } = readSafetensors(writeSafetensors(sample, { note: "héllo ✓" }));
  assert.deepEqual(metadata, { note: "héllo ✓" });
  assert.deepEqual([...tensors.keys()].sort(), [...sample.keys()].sort());
  for (const [name, { dtype, shape, data }] of sample) {
    assert.deepEqual({ ...tensors.get(name) }, { dtype, shape, data }, name);
  }
});

const ARRAYS = {
  BOOL: fc.array(fc.nat(1)).map((list) => Uint8Array.from(list)),
  U8: fc.uint8Array(),
  I8: fc.int8Array(),
  U16: fc.uint16Array(),
  I16: fc.int16Array(),
  F16: fc.uint16Array(),
  BF16: fc.uint16Array(),
  U32: fc.uint32Array(),
  I32: fc.int32Array(),
  F32: fc.float32Array(),
  U64: fc.bigUint64Array(),
  I64: fc.bigInt64Array(),
  F64: fc.float64Array(),
};

const anyTensor = fc.constantFrom(...Object.keys(ARRAYS) as Dtype[]).chain((dtype) =>
  (ARRAYS[dtype] as fc.Arbitrary<SafetensorsTensor["data"]>).map((data) =>
    ({
      dtype,
      shape: data.length % 2 === 0 ? [data.length / 2, 2] : [data.length],
      data,
    }) as SafetensorsTensor
  )
);
const anyName = fc.string({ unit: "grapheme" }).filter((name) => name !== "__metadata__");
const anyTensors = fc.array(fc.tuple(anyName, anyTensor), { maxLength: 6 }).map((list) => new Map(list));

Deno.test("any tensors survive the round trip, in any order with the same bytes", () => {
  const anyMetadata = fc.dictionary(fc.string(), fc.string());
  fc.assert(fc.property(anyTensors, anyMetadata, (tensors, metadata) => {
    const bytes = writeSafetensors(tensors, metadata);
    const read = readSafetensors(bytes);
    assert.deepEqual(new Map([...read.tensors].sort()), new Map([...tensors].sort()));
    assert.deepEqual(Object.entries(read.metadata).sort(), Object.entries(metadata).sort());
    assert.deepEqual(writeSafetensors(new Map([...tensors].reverse()), metadata), bytes);
    assert.equal(new DataView(bytes.buffer).getBigUint64(0, true) % 8n, 0n);
  }));
});

Deno.test("a file cut or extended anywhere is refused", () => {
  const whole = writeSafetensors(sample);
  for (let size = 0; size < whole.length; size++) assertFault(whole.subarray(0, size), "cut short");
  const longer = new Uint8Array(whole.length + 1);
  longer.set(whole);
  assertFault(longer, `${whole.length} bytes`, `${longer.length}`, "belong to no tensor");
});

Deno.test("random edits are refused or read, never anything else", () => {
  const whole = writeSafetensors(sample, { key: "value" });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1 }), (edits) => {
      const bytes = whole.slice();
      for (const [at, value] of edits) bytes[at] = value;
      try {
        readSafetensors(bytes);
      } catch (error) {
        assert.ok(error instanceof SafetensorsError, String(error));
      }
    }),
  );
});

Deno.test("the tensors are copies and need no aligned bytes", () => {
  const whole = writeSafetensors(sample);
  const shifted = new Uint8Array(whole.length + 1);
  shifted.set(whole, 1);
  const bytes = shifted.subarray(1);
  const { tensors } = readSafetensors(bytes);
  bytes.fill(0xff);
  assert.deepEqual(tensors.get("a")?.data, Float32Array.of(1, -0, NaN, Infinity));
});

Deno.test("a header that is too long, no JSON, no object, or not UTF-8 is refused", () => {
  const long = new Uint8Array(16);
  new DataView(long.buffer).setBigUint64(0, 100_000_001n, true);
  assertFault(long, "100000001 bytes", "not a safetensors file");
  assertFault(new Uint8Array(64).fill(0xff), "not a safetensors file");
  assertFault(craft("{nonsense", 0), "not valid JSON");
  assertFault(craft("[1]", 0), "not a JSON object");
  assertFault(craft("null", 0), "not a JSON object");
  const bad = craft('{"x":1}', 0);
  bad[10] = 0xff;
  assertFault(bad, "not valid JSON");
});

Deno.test("a repeated name is refused, however it is spelled", () => {
  const entry = JSON.stringify(tensor([1], 0, 4));
  assertFault(craft(`{"x":${entry},"x":${entry}}`, 4), '"x" twice');
  assertFault(craft(`{"x":${entry}, "\\u0078" : ${entry}}`, 4), '"x" twice');
  assertFault(
    craft('{"x":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,4]}}', 4),
    '"shape" twice',
  );
  const values = craft(`{"__metadata__":{"a":"x","b":"x","c":"\\"x\\":{"},"x":${entry}}`, 4);
  assert.equal(readSafetensors(values).tensors.size, 1);
});

Deno.test("a malformed entry names its tensor", () => {
  const faults: [unknown, number, string][] = [
    [3, 0, "not an object"],
    [tensor([1], 0, 4, "F99"), 4, 'unknown dtype "F99"'],
    [tensor([1], 0, 4, "constructor"), 4, "unknown dtype"],
    [tensor([-1], 0, 4), 4, "shape is [-1]"],
    [tensor([1.5], 0, 6), 6, "shape is [1.5]"],
    [tensor([2 ** 53], 0, 4), 4, "shape is"],
    [tensor([2 ** 30, 2 ** 30], 0, 4), 4, "data_offsets span 4"],
    [{ dtype: "F32", shape: 4, data_offsets: [0, 16] }, 16, "shape is 4"],
    [{ dtype: "F32", shape: [1] }, 4, "data_offsets is undefined"],
    [tensor([1], 4, 0), 4, "data_offsets is [4,0]"],
    [{ dtype: "F32", shape: [1], data_offsets: [0, 4, 8] }, 8, "data_offsets is"],
    [tensor([1], -4, 0), 4, "data_offsets is"],
    [tensor([3], 0, 8), 8, "takes 12 bytes, but its data_offsets span 8"],
    [tensor([0], 0, 4), 4, "takes 0 bytes"],
  ];
  for (const [entry, dataBytes, fragment] of faults) {
    assertFault(craft({ weight: entry }, dataBytes), 'tensor "weight"', fragment);
  }
});

Deno.test("holes, overlaps and a missing half are refused", () => {
  assertFault(craft({ x: tensor([1], 4, 8) }, 8), 'tensor "x"', "starts at byte 4", "ends at 0");
  assertFault(
    craft({ x: tensor([2], 0, 8), y: tensor([2], 4, 12) }, 12),
    'tensor "y"',
    "inside the tensor before it",
  );
  assertFault(craft({ x: tensor([2], 0, 8), y: tensor([2], 0, 8) }, 8), "inside the tensor before it");
  assertFault(craft({ x: tensor([1], 0, 4), y: tensor([1], 8, 12) }, 12), 'tensor "y"', "starts at byte 8");
  assertFault(craft({ x: tensor([100], 0, 400) }, 200), "says", "cut short; copy it again");
});

Deno.test("metadata must be strings", () => {
  assertFault(craft({ __metadata__: { a: 1 } }, 0), "__metadata__");
  assertFault(craft({ __metadata__: ["a"] }, 0), "__metadata__");
});

Deno.test("names that JavaScript gives a meaning are plain names", () => {
  const odd = new Map(
    ["__proto__", "constructor", "0", ""].map((name): [string, SafetensorsTensor] => [name, {
      dtype: "U8",
      shape: [1],
      data: Uint8Array.of(7),
    }]),
  );
  assert.deepEqual([...readSafetensors(writeSafetensors(odd)).tensors.keys()].sort(), [...odd.keys()].sort());
});

Deno.test("a tensor that does not fit its shape or type is not written", () => {
  const write = (one: SafetensorsTensor, name = "x") => () => writeSafetensors(new Map([[name, one]]));
  assert.throws(write({ dtype: "F32", shape: [3], data: new Float32Array(2) }), /F32 \[3\].*2 elements/);
  assert.throws(write({ dtype: "F32", shape: [-2, -1], data: new Float32Array(2) }), TypeError);
  assert.throws(
    write({ dtype: "F32", shape: [2], data: new Int32Array(2) } as unknown as SafetensorsTensor),
    /F32 does not fit Int32Array/,
  );
  assert.throws(write({ dtype: "U8", shape: [0], data: new Uint8Array() }, "__metadata__"), TypeError);
});

Deno.test("16- and 64-bit floats become f32", () => {
  const half = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0xfc00, 0x8000, 0x7e00, 0x3555);
  const expected = [1, -2, 2 ** -24, 65504, Infinity, -Infinity, -0, NaN, 0.333251953125];
  assert.deepEqual([...toFloat32({ dtype: "F16", shape: [9], data: half })], expected);
  const brain = Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x4049);
  assert.deepEqual([...toFloat32({ dtype: "BF16", shape: [4], data: brain })], [1, -2, Infinity, 3.140625]);
  assert.deepEqual([...toFloat32({ dtype: "F64", shape: [1], data: Float64Array.of(0.1) })], [
    Math.fround(0.1),
  ]);
  const same = Float32Array.of(1);
  assert.equal(toFloat32({ dtype: "F32", shape: [1], data: same }), same);
  assert.throws(() => toFloat32({ dtype: "U8", shape: [1], data: Uint8Array.of(1) }, "ids"), /"ids".*U8/);
});
