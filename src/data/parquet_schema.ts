/**
 * Columns of the Parquet files that superbatch writes.
 *
 * @module
 */

import type { SchemaElement } from "hyparquet-writer";

const required = { repetition_type: "REQUIRED" } as const;

/** The head of a schema with so many columns. */
export function rootElement(columns: number): SchemaElement {
  return { name: "root", num_children: columns };
}

/** A column of strings. */
export function textColumn(name: string): SchemaElement {
  return { name, type: "BYTE_ARRAY", converted_type: "UTF8", ...required };
}

/** A column of single-precision numbers. */
export function floatColumn(name: string): SchemaElement {
  return { name, type: "FLOAT", ...required };
}

/** A column of lists of single-precision numbers. */
export function floatListColumn(name: string): SchemaElement[] {
  return [
    { name, num_children: 1, converted_type: "LIST", ...required },
    { name: "list", num_children: 1, repetition_type: "REPEATED" },
    { name: "element", type: "FLOAT", ...required },
  ];
}

/** The rows [n, width] of a matrix as lists. */
export function matrixRows(matrix: Float32Array, width: number): number[][] {
  return Array.from(
    { length: matrix.length / width },
    (_, row) => Array.from(matrix.subarray(row * width, (row + 1) * width)),
  );
}
