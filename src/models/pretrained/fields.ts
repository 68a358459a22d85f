/**
 * Reading configurations that others wrote.
 *
 * @module
 */

import type { Activation } from "../config.ts";

/** A JSON object with the name of the file that it is from, whose fields are checked as they are read. */
export class Fields {
  /**
   * @param values the object
   * @param name what to call it in errors, such as `config.json, text_config`
   */
  constructor(private readonly values: Readonly<Record<string, unknown>>, private readonly name: string) {}

  /**
   * An object from its text.
   *
   * @throws TypeError when the text is no JSON object
   */
  static parse(text: string, name: string): Fields {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new TypeError(`${name} is no JSON: ${(cause as Error).message}`, { cause });
    }
    if (!isObject(value)) throw new TypeError(`${name} is no JSON object`);
    return new Fields(value, name);
  }

  /** Whether a field is there and not null. */
  has(key: string): boolean {
    return this.values[key] !== undefined && this.values[key] !== null;
  }

  /** A field as it stands. */
  raw(key: string): unknown {
    return this.values[key];
  }

  /** An object in a field; an empty one where there is none. */
  object(key: string): Fields {
    return new Fields(
      this.#get(key, {}, isObject, "an object") as Record<string, unknown>,
      `${this.name}, ${key}`,
    );
  }

  /** A whole number, 1 or more. */
  count(key: string, fallback?: number): number {
    return this.#get(key, fallback, (value) => Number.isInteger(value) && Number(value) >= 1, "a count");
  }

  /** A finite number. */
  number(key: string, fallback?: number): number {
    return this.#get(key, fallback, (value) => Number.isFinite(value), "a number");
  }

  /** A text. */
  text(key: string, fallback?: string): string {
    return this.#get(key, fallback, (value) => typeof value === "string", "a text");
  }

  /** Three numbers, one a channel. */
  three(key: string, fallback: readonly [number, number, number]): [number, number, number] {
    const three = (value: unknown) =>
      Array.isArray(value) && value.length === 3 && value.every((item) => Number.isFinite(item));
    return [...this.#get(key, fallback, three, "three numbers")] as [number, number, number];
  }

  /** A form of GELU by the name that transformers or timm gives it. */
  activation(key: string, fallback: string): Activation {
    const name = this.text(key, fallback);
    const known: Record<string, Activation> = {
      gelu_pytorch_tanh: "gelu-tanh",
      gelu_tanh: "gelu-tanh",
      gelu_new: "gelu-tanh",
      gelu: "gelu",
      quick_gelu: "quick-gelu",
      quickgelu: "quick-gelu",
    };
    if (Object.hasOwn(known, name)) return known[name];
    throw this.wrong(key, `one of ${Object.keys(known).join(", ")}`);
  }

  /** The error for a field of a wrong value. */
  wrong(key: string, wanted: string): TypeError {
    return new TypeError(
      `${this.name}: "${key}" is ${JSON.stringify(this.values[key]) ?? "missing"}, expected ${wanted}`,
    );
  }

  #get<T>(key: string, fallback: T | undefined, fits: (value: unknown) => boolean, wanted: string): T {
    const value = this.values[key] ?? fallback;
    if (!fits(value)) throw this.wrong(key, wanted);
    return value as T;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
