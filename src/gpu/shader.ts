/**
 * The shape of a generated shader description, and the types derived from it.
 *
 * `deno task gen` reflects every file of `shaders/` into `shaders.gen.ts`; these types turn each entry point into a
 * call whose argument names, uniform fields and constants the compiler checks.
 *
 * @module
 */

/** Scalar type of a uniform field. */
export type ScalarType = "u32" | "i32" | "f32";

/** A uniform block: its size and where each field lies. */
export interface UniformBinding {
  readonly kind: "uniform";
  readonly index: number;
  readonly sizeBytes: number;
  readonly fields: { readonly [name: string]: { readonly offsetBytes: number; readonly type: ScalarType } };
}

/** A storage buffer: how the entry point may use it and what it holds. */
export interface StorageBinding {
  readonly kind: "read" | "read_write";
  readonly index: number;
  /** WGSL type of one element, such as `f32` or `vec4f`. */
  readonly element: string;
  /** The alias that the text declares the elements as, when they may lie in memory in half precision too. */
  readonly stored?: string;
}

/** One `@compute` function and the resources that it uses. */
export interface EntryPoint {
  readonly bindings: { readonly [name: string]: UniformBinding | StorageBinding };
}

/** One WGSL file. */
export interface Shader {
  /** File name without folder and extension. */
  readonly name: string;
  /** The text, as it stands in the file. */
  readonly source: string;
  /** Constants that {@link specialize} may rewrite, with the type they are declared as. */
  readonly constants: { readonly [name: string]: "u32" | "i32" | "f32" | "bool" };
  readonly entryPoints: { readonly [name: string]: EntryPoint };
}

/** Names of a shader's entry points. */
export type EntryName<S extends Shader> = Extract<keyof S["entryPoints"], string>;

/** Values for a shader's constants; those left out keep the file's value. */
export type Constants<S extends Shader> = {
  readonly [Name in keyof S["constants"]]?: S["constants"][Name] extends "bool" ? boolean : number;
};

/** What an entry point is called with: a number for every uniform field, a `Resource` for every buffer. */
export type Arguments<E extends EntryPoint, Resource> = {
  readonly [Name in keyof E["bindings"]]: E["bindings"][Name] extends { fields: infer Fields }
    ? { readonly [Field in keyof Fields]: number }
    : Resource;
};
