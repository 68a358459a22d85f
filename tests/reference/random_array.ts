import { normal, Stream } from "../../src/random/philox.ts";

/** Standard normal numbers; each seed its own. */
export function randomArray(seed: number, size: number, deviation = 1): Float64Array {
  return Float64Array.from({ length: size }, (_, index) => deviation * normal(seed, Stream.init, 0, index));
}

/** Σ a·b, the scalar through which a backward pass is tested. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
