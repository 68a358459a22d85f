/**
 * Tensors of other floating-point types as 32-bit floats.
 *
 * @module
 */

import type { SafetensorsTensor } from "./safetensors.ts";

/**
 * The elements of a floating-point tensor as f32; F32 data is returned as it is, not copied.
 * F16 and BF16 are exact, F64 is rounded.
 *
 * @param tensor F32, F16, BF16 or F64
 * @param name what to call the tensor in the error
 * @throws TypeError when the tensor holds integers
 */
export function toFloat32(tensor: SafetensorsTensor, name = "tensor"): Float32Array<ArrayBuffer> {
  switch (tensor.dtype) {
    case "F32":
      return tensor.data;
    case "F64":
      return new Float32Array(tensor.data);
    case "BF16":
      return new Float32Array(Uint32Array.from(tensor.data, (bits) => bits << 16).buffer);
    case "F16":
      return Float32Array.from(tensor.data, halfToNumber);
    default:
      throw new TypeError(
        `Cannot read "${name}" as f32: it is ${tensor.dtype}, expected F32, F16, BF16 or F64`,
      );
  }
}

/** The value of an IEEE 754 half-precision bit pattern. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 0x1f, fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
